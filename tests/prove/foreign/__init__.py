"""Loa against SMPP programs that nobody here wrote."""
