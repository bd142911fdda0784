"""How each command's result looks on a terminal: values in, text out."""
