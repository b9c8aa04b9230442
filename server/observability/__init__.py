"""What the server records: metrics, traces, and safe tracebacks."""
