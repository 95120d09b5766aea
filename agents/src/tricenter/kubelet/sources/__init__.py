"""Where pods come from: the API and a folder of manifests."""
