"""Report deadlines of directives: the status of runs and addressees, what is missing, and reminders."""
