"""Programs that each run one library, in an environment that has it; see others.py."""
