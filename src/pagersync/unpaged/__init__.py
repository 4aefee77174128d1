"""Incidents and alerts that somebody should have been paged for, and nobody was."""
