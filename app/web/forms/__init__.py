"""Parsing of form fields into service input."""
