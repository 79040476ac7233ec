"""One report in several forms; every rendering prints the same figures."""
