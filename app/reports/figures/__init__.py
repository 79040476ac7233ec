"""What a report counts and says, as values: figures, areas, statements, words, and how they are written."""
