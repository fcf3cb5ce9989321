"""Plots of results, all in one style; the same results give the same bytes."""
