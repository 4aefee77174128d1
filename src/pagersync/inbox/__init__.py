"""The webhook: let in, keep, group commit, answer."""
