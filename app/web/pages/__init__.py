"""One module for each area of pages: its routes, and what its forms do."""
