"""Import of uploaded tables: receive CSV and XLSX files, read them row by row, and write forms and CSV."""
