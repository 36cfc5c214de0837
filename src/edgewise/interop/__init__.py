"""Networks from other libraries' objects, and back."""
