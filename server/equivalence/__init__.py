"""Decides mathematical equality of answers with math-verify, in worker processes that can be killed."""
