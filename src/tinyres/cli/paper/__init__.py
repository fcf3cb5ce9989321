"""`docs/paper.md`: the paper's tables, figures and claims beside the results."""
