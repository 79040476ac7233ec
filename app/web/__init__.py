"""Web pages in Vietnamese and English: they read the stages' queries and act through their services."""
