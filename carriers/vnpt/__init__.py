"""VNPT's SMS Marketing API: `carrier` is the link, `words` has every code, `settings` every option."""
