"""`cogitate eval`: measures accuracy and cost of strategies on a task, live or replayed over a bank of samples."""
