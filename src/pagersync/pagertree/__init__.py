"""All that is known about PagerTree's wire: payloads and client."""
