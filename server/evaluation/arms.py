"""The arms of a comparison: strategies with their options, parsed from the command line."""

import json
import re
from dataclasses import dataclass

from pydantic import ValidationError

from cogitate.server.evaluation.errors import CannotEvaluate
from cogitate.strategies import AnyStrategy, parse

OPTION = re.compile(r"\s*([a-z_]+)\s*=\s*(.*)", re.S)


class BadSpec(Exception):
    """The text is not NAME:option=value,option=value."""


class BadArm(CannotEvaluate):
    """The text names no strategy, or the strategy cannot be measured this way."""


@dataclass(frozen=True, slots=True)
class Arm:
    """A strategy that takes part in a comparison."""

    name: str
    """The shortest text that parses to this strategy. Rows and results are identified by it."""
    strategy: AnyStrategy


def parse_arm(text: str) -> Arm:
    """Parse NAME, NAME:option=value,option=value, or the JSON object of a request. Raises BadArm."""
    try:
        options = json.loads(text) if text.lstrip().startswith("{") else parse_spec(text)
        strategy = parse.validate_python(options)
    except json.JSONDecodeError as error:
        raise BadArm(f"{text}: not valid JSON ({error})") from None
    except BadSpec as error:
        raise BadArm(str(error)) from None
    except ValidationError as error:
        first = error.errors()[0]
        raise BadArm(f"{text}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    return Arm(to_spec(strategy), strategy)


def parse_spec(text: str) -> dict[str, object]:
    """Parse NAME:option=value,option=value into the options by name, with NAME itself under `name`.

    A value is a JSON number, true, false or null; any other text is a string. Raises BadSpec.
    """
    name, _, rest = text.partition(":")
    options: dict[str, object] = {"name": name.strip()}
    for part in filter(None, rest.split(",")):
        if not (match := OPTION.fullmatch(part)):
            raise BadSpec(f"{text}: {part} is not option=value")
        options[match[1]] = _parse_value(match[2])
    return options


def to_spec(strategy: AnyStrategy) -> str:
    """Format a strategy as NAME:option=value, without the options that have their default."""
    options = strategy.model_dump(mode="json", exclude_defaults=True)
    parts = ",".join(f"{key}={_format_value(value)}" for key, value in sorted(options.items()) if key != "name")
    return f"{strategy.name}:{parts}" if parts else strategy.name


def _parse_value(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _format_value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
