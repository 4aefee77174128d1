"""Outgoing webhooks: what happened, told to the endpoints that subscribe to it."""
