"""Custom resources: their definitions become served kinds while the server runs."""
