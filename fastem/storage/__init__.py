"""What is written: whole files or none, JSON that a person can read."""
