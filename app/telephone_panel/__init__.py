"""The panel of test telephones: our own handsets that show whether a campaign's text has arrived."""
