"""Applications of fastem to real tables: see README.md beside this."""
