"""Orders that go out signed, results that come back signed, and the keys of both: docs/signed-orders.md."""
