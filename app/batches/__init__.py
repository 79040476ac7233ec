"""Stage 1: from a carrier's or an authority's file to subscribers and bad lines."""
