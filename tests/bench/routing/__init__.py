"""Measures which replicas the load balancer selects, over simulated replicas in virtual time."""
