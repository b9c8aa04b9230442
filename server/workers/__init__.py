"""`--workers N`: processes that share a port, and their parent, which starts, replaces and stops them."""
