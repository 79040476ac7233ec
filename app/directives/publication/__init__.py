"""The approved text for every other channel, and whether it stands where it was published."""
