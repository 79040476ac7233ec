"""What is said: the texts of Loa as package data, one .toml file each; app/campaigns/texts.py reads them."""
