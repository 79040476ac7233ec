"""Runs a tutorial as it is printed, on a machine of its own: accounts, folders, ports and processes."""
