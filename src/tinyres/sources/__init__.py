"""From a source's own files to the pipeline's one array format. Imports neither torch nor MLflow."""
