"""Report formats: tables of rows and columns, and one module per file type."""
