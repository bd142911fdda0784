"""What turns an answer and a gold answer into a verdict."""
