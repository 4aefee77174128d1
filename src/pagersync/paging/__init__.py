"""Paging: what people asked for, the calls that follow from it, and what became of them."""
