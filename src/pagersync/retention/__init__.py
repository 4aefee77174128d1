"""Retention: how long each kind of row is kept, what keeps it longer, and what all of it takes."""
