"""Incidents: what people coordinate, their timelines, and the alerts that belong to them."""
