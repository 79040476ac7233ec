"""`python -m app.cli`: the same as the console script `loa`."""

from app.cli import main

main()
