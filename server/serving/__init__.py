"""Runs plans: admission, jobs, fair queueing, caching of answers, and the traces of running searches."""
