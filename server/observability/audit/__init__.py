"""Recomputes the bill, the vote and the choice of a search from its trace. It needs Python's standard library alone."""
