"""Stage 4: store what carriers report later, and move each delivery once."""
