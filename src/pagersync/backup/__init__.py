"""Backup, restore and upgrade of the embedded PostgreSQL."""
