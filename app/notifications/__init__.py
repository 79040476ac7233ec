"""Notifications: an outbox in the database, e-mail by SMTP, and signed webhooks."""
