"""Files: books, clearings and scenarios, with places and remedies for what is wrong."""
