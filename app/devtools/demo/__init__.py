"""The demo: one campaign over simulated carriers, from subscriber files to a verified report."""
