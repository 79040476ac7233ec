"""Stage 4: what the carriers say later is kept, and moves each delivery once."""
