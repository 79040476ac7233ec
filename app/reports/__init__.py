"""Stage 5: sums, result reports that add up, their renderings, and the recount of everything."""
