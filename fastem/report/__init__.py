"""What is told to people about a fitted mixture: numbers, tables and pictures."""
