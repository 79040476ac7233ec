"""Papers and tables as files: docx, pdf, xlsx, csv, json and plain text."""
