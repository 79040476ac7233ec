"""Reports as they were frozen: stored, found again, known by a printed code, and signed."""
