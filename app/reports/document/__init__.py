"""The documents as one model that every format renders, so that formats cannot differ."""
