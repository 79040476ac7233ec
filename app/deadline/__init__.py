"""The directive's deadline: where every run and addressee stands, what is missing, and who is reminded."""
