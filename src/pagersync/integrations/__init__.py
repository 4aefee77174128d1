"""Connected PagerTree accounts, their secrets and limits."""
