"""Real servers that behave and misbehave like the carriers, for tests, demo and bench."""
