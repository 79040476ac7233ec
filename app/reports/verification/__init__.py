"""Recount what was counted: identities, states, statements and what erasure has left."""
