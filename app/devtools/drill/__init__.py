"""The drill: real processes under a seeded plan of faults, the ledger held against the carrier's book."""
