"""The peers, one library a file, imported only when their turn comes: each function makes one side of a row."""
