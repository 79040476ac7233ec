"""What people enter, read into what the verbs take."""
