"""The limits of one API key, as `name=value` words after the tenant's name in the keys file."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from cogitate.strategies import STRATEGIES


class InvalidKeyLimits(Exception):
    """A limit in the keys file is malformed. The message is one line."""


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """Limits on the requests of one key. None means that the key has no such limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    """Maximum number of tokens that the key's requests may decode in a minute."""
    tokens_per_day: int | None = None
    generations: int | None = None
    """Maximum number of generations in flight, summed over all requests of the key."""
    max_cost: int | None = None
    """Maximum number of completion tokens that one request may cost."""
    strategies: frozenset[str] | None = None
    """Names of the strategies that the key may use."""
    code: bool = False
    """Whether requests may run programs written by the model. Has no effect while `--code-exec` is off."""
    cost: int | None = field(init=False, default=None)
    """Maximum number of tokens that one request may cost, by any of the limits."""

    def __post_init__(self) -> None:
        limits = [each for each in (self.max_cost, self.tokens_per_minute, self.tokens_per_day) if each is not None]
        object.__setattr__(self, "cost", min(limits, default=None))

    @classmethod
    def parse(cls, words: Sequence[str]) -> "KeyLimits":
        """Parse `name=value` words. Raises InvalidKeyLimits."""
        limits: dict[str, Any] = {}
        for word in words:
            name, _, value = word.partition("=")
            if name in limits:
                raise InvalidKeyLimits(f"{name} is given twice")
            limits[name] = _parse_value(name, value)
        return cls(**limits)


def _parse_value(name: str, value: str) -> object:
    match name:
        case "requests_per_minute" | "tokens_per_minute" | "tokens_per_day" | "generations" | "max_cost":
            if not value.isdecimal() or not 0 < int(value) < 2**31:
                raise InvalidKeyLimits(f"{name} must be an integer above 0")
            return int(value)
        case "strategies":
            return _parse_strategies(value)
        case "code" if value in ("true", "false"):
            return value == "true"
        case "code":
            raise InvalidKeyLimits("code must be true or false")
    raise InvalidKeyLimits(
        f"unknown limit {name!r}; known limits: {', '.join(each.name for each in fields(KeyLimits) if each.init)}"
    )


def _parse_strategies(value: str) -> frozenset[str]:
    names = frozenset(value.split(","))
    if unknown := names - STRATEGIES.keys():
        raise InvalidKeyLimits(f"unknown strategy {min(unknown)!r} in strategies")
    return names
