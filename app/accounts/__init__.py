"""Signing in and out, people and keys: as operations over HTTP and as what both doors do alike."""
