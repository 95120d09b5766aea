"""What the server does to objects of a kind before they are stored."""
