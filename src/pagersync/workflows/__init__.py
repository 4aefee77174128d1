"""Workflows: what happened, which rules it matches, and what is done about it."""
