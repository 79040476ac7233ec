"""Write a new carrier's adapter, simulator, tests and page from templates: `make new-carrier NAME=x`."""
