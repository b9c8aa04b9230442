"""What the flag of a setting is called, which setting has none, and which had another name."""

ENVIRONMENT_ONLY = frozenset({"upstream_api_key"})
"""Secrets, which have no flag: every user of the machine can read a command line."""
OLD_NAMES = {"cache_bytes": "kept_bytes"}
"""Former names, accepted as flags and environment variables without being documented."""


def to_flag(name: str) -> str:
    """Return the flag of a setting."""
    return f"--{name.replace('_', '-')}"
