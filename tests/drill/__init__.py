"""The drill: real processes under a seeded plan of faults, the ledger compared with the carrier's count."""
