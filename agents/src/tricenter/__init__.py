"""The agents of tricenter and the rooms they share (design section 4)."""
