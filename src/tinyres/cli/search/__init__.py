"""`tinyres search`: an Optuna study whose trials are DVC experiments and MLflow runs."""
