"""What `tinyres paper` writes: the paper's claims and figures beside the results, and how those were made."""
