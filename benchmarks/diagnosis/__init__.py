"""Networks that are wrong in a known way, and those that are not, for every tool that says why one does not learn."""
