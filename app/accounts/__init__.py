"""Sign-in, users and keys: HTTP routes, and services shared with the command line and the pages."""
