"""Random histories of a ledger's life, by seed, held against a plain model of the rules."""
