"""What a page shows, gathered from the stages' queries."""
