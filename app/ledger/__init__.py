"""Hot operations on deliveries, submissions, receipts, chunks and tallies, on SQLite and PostgreSQL."""
