"""Real servers that behave and misbehave like the carriers; for tests, the demo and the bench."""
