"""Stage 5: result reports, their files, and the recount that verifies them."""
