"""``python -m fastem``: the command line."""

from fastem.cli import main

main()
