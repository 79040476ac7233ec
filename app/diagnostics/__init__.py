"""Diagnostics for a person: the installation, one link, and what the carrier itself reports."""
