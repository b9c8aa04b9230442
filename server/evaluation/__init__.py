"""`cogitate eval`: accuracy against cost, on a task, with intervals: live, or replayed over a bank of samples."""
