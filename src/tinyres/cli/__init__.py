"""The `tinyres` command: a module per subcommand, and the code that only those need."""
