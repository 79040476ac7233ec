"""Attacks of full size on a running Loa, by hand or by `make prove`: `python -m tests.attack.NAME`."""
