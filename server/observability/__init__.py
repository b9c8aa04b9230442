"""What the server records of requests: metrics, and the traces of searches."""
