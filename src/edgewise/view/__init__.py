"""What people look at: tables for the terminal, pictures of learning curves."""
