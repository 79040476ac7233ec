"""Planted bugs: each is put into a copy of the program, and a named test has to find it."""
