"""VNPT's SMS Marketing API."""
