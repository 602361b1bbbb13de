"""``python -m actionbench``."""

from .cli import main

main()
