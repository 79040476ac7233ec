"""Stage 1: import files of subscribers; keep the lines that could not be read."""
