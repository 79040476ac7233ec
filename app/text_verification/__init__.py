"""Verify whether a text that a citizen pastes is, word for word, one that this service has sent."""
