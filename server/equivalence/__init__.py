"""Mathematical equality of answers, decided by math-verify in worker processes that can be killed."""
