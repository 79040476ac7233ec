"""Read a report's figures from the ledger: by run, directive, area and moment."""
