"""Stage 3: queued deliveries go to the carrier, at the link's pace, once."""
