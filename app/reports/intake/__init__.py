"""What comes in and no receipt measured: checked in both languages, kept version by version."""
