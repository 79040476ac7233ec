"""The papers: what they say, as one model that every rendering prints, so that none can differ."""
