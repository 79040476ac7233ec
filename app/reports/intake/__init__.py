"""Reports that come in from outside: checked, explained in both languages, kept version by version."""
