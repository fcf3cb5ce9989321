"""What trained networks get right, how sure that is, and how it is told: tables and MLflow's runs."""
