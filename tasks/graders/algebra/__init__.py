"""A reader of mathematical answers of our own: it reads all of a text or says that it cannot."""
