"""To whom, when, and what came of it: five stages over one ledger."""
