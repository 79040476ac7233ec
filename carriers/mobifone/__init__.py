"""MobiFone's brandname service over HTTP ("smsg"): a login session, and one message in each request."""
