"""`python -m tinyres`: the same as the `tinyres` command."""

from tinyres.cli.main import main

main()
