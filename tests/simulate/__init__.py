"""Workers, ledger and message centres in one process, under a virtual clock and faults made by a seed."""
