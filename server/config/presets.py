"""Checks the names of the strategies that the operator names with --presets."""

import re

from cogitate.strategies import STRATEGIES, AnyStrategy

NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


def check_preset_names(presets: dict[str, AnyStrategy]) -> dict[str, AnyStrategy]:
    """Return the presets. Raises ValueError for a name that clients could not write, or that a strategy has."""
    for name in presets:
        if name in STRATEGIES:
            raise ValueError(f"the preset name {name!r} is the name of a strategy: choose another")
        if not NAME.fullmatch(name):
            raise ValueError(f"the preset name {name[:64]!r} is not 1 to 64 characters of A-Z, a-z, 0-9, . _ -")
    return presets
