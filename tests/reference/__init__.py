"""Writes docs/reference from the code: what can be typed, set, asked, measured and found in the audit."""
