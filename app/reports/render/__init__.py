"""How reports look in each format: forms of rows and columns, and one module for each kind of file."""
