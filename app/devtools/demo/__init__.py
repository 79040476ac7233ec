"""The demo: one campaign over three simulated carriers, from subscriber files to a verified report."""
