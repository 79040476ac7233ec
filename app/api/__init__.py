"""How the API behaves as HTTP: acts done once, versions, limits, events, and its own description."""
