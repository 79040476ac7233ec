"""One module per area of pages: routes and form handling."""
