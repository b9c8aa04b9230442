"""What the launch policy, the stop rules and a learned prior save, replayed on the stored votes of large models."""
