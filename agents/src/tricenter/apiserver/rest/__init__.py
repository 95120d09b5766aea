"""The verbs of the API, for any kind."""
