"""Carrier protocols behind one contract. Nothing here imports app/."""
