"""Evaluation of trained networks: test metrics, how uncertain they are, the tables, and what goes to MLflow's runs."""
