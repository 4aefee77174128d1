"""Alerts, made from PagerTree's events by a fold that does not care about their order."""
