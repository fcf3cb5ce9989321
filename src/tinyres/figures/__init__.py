"""Pictures of results, all in one style, with bytes that depend on the results alone."""
