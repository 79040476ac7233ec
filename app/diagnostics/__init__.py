"""One link, looked at by a person: what it is, whether it works, and what the carrier says itself."""
