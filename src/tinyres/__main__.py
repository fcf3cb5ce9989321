"""`python -m tinyres`: the same as the `tinyres` command."""

from tinyres.cli import main

main()
