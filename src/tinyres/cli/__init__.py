"""The `tinyres` command, and what only its commands need."""
