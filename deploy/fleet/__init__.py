"""Simulates fleets of GPUs behind gateways: `python -m deploy.fleet`, at the root of the repository.

The gateways' costs are the measured ones of deploy/results; those of the engines are assumptions, see `costs`.
"""
