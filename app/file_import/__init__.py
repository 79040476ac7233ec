"""Tables that people send: CSV and XLSX files received, read row by row, and answered; of any kind."""
