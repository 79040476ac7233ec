"""Stage 2: what is said, to whom, when and on whose approval; and the start of each run."""
