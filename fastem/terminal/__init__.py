"""The command line: commands, and what it shows while they run."""
