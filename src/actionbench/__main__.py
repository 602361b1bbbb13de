"""``python -m actionbench``."""

from .cli.main import main

main()
