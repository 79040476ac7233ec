"""The forms of Vietnamese offices as tables: carriers, areas, comparison."""
