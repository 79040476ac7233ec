"""The panel of test telephones: our own handsets that say whether a campaign's text has come."""
