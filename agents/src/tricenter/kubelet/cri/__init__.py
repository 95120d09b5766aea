"""containerd over the Container Runtime Interface: calls, events and our view of what runs."""
