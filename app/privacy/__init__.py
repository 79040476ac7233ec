"""Personal data: do-not-send lists, and the erasure of numbers when it is due."""
