"""The node agent: runs the pods that the API (or a folder of manifests) assigns to this machine through CRI."""
