"""Stage 3: send queued deliveries to the carrier, at the link's pace, each once."""
