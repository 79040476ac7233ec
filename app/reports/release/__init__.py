"""Freeze a report, give it its number and signer, set it beside earlier ones, and check what was kept."""
