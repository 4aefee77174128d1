"""Named secrets, and the secrets that people write into workflows and endpoints, encrypted."""
