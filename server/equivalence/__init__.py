"""Decides mathematical equality of answers with sympy, in worker processes that can be killed."""
