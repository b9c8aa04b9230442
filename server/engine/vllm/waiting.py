"""Reads the number of sequences in vLLM's own queue."""

from prometheus_client import REGISTRY

WAITING = "vllm:num_requests_waiting"
"""vLLM's gauge, which it sets after each step of its engine: of sequences that no step has taken up yet."""


def read_waiting() -> int:
    """Return the number of sequences that wait; 0 where vLLM exports no metrics."""
    families = REGISTRY.restricted_registry([WAITING]).collect()
    return int(sum(sample.value for family in families for sample in family.samples))
