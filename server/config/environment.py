"""Environment variables COGITATE_*: which are settings, which Kubernetes injects, and which are misspelt."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher

PREFIX = "COGITATE_"
INJECTED = re.compile(
    r"COGITATE_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)"
)
"""What a kubelet sets for each port of a Service called cogitate, or cogitate-anything."""
ADDRESS = re.compile(r"(tcp|udp|sctp)://")
"""The value of COGITATE_PORT, which is also a setting, where a kubelet sets it."""
MIN_CLOSE_RATIO = 0.75
"""Similarity (difflib) above which an unknown name is a misspelt setting, and ignoring it could do harm."""
MIN_SUGGESTED_RATIO = 0.5


@dataclass(frozen=True, slots=True)
class UnknownVariable:
    """A variable COGITATE_* that is no setting."""

    name: str
    suggestion: str | None
    """The setting with the most similar name, if there is a similar one."""
    is_close: bool

    def __str__(self) -> str:
        hint = f"; did you mean {self.suggestion}?" if self.suggestion else ""
        return f"{self.name} is not a setting{hint}"


def is_injected(name: str, value: str | None) -> bool:
    """Tell whether Kubernetes sets this variable for a Service."""
    upper = name.upper()
    if not upper.startswith(PREFIX):
        return False
    return bool(INJECTED.fullmatch(upper) or (upper.endswith("_PORT") and value and ADDRESS.match(value)))


def find_unknown_variables(environment: Mapping[str, str], names: Collection[str]) -> list[UnknownVariable]:
    """Return the variables COGITATE_* that are neither one of `names`, which have the prefix, nor injected."""
    return [
        compare(name, names)
        for name, value in environment.items()
        if name.startswith(PREFIX) and name not in names and not is_injected(name, value)
    ]


def compare(name: str, names: Collection[str]) -> UnknownVariable:
    """Look for the most similar name. The prefix, which all share, does not count."""
    word = name.removeprefix(PREFIX)
    ratio, nearest = max((SequenceMatcher(None, each.removeprefix(PREFIX), word).ratio(), each) for each in names)
    return UnknownVariable(name, nearest if ratio >= MIN_SUGGESTED_RATIO else None, ratio >= MIN_CLOSE_RATIO)
