"""What the server can do, said in the ways clients ask for it."""
