"""Domain events: what happened."""
