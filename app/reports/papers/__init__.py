"""Reports as papers: letterhead to annexes, pages, charts and maps, without a file format."""
