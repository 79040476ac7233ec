"""Personal data: who is not written to, who saw numbers, and their erasure when they are due."""
