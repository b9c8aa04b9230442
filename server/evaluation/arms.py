"""What is compared: strategies with their options, as a person writes them."""

import json
from dataclasses import dataclass

from pydantic import ValidationError

from cogitate.server.evaluation.errors import CannotEvaluate
from cogitate.server.evaluation.spelling import Misspelled, spelled
from cogitate.strategies import AnyStrategy, parse


class BadArm(CannotEvaluate):
    """Why it names no strategy."""


@dataclass(frozen=True, slots=True)
class Arm:
    name: str
    strategy: AnyStrategy


def arm(written: str) -> Arm:
    """NAME, NAME:option=value,option=value, or the JSON object of a request. Raises BadArm."""
    try:
        options = json.loads(written) if written.lstrip().startswith("{") else spelled(written)
        strategy = parse.validate_python(options)
    except json.JSONDecodeError as error:
        raise BadArm(f"{written}: not JSON ({error})") from None
    except Misspelled as error:
        raise BadArm(str(error)) from None
    except ValidationError as error:
        first = error.errors()[0]
        raise BadArm(f"{written}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    return Arm(shown(strategy), strategy)


def shown(strategy: AnyStrategy) -> str:
    """The shortest way to write it: what is not the default."""
    options = strategy.model_dump(mode="json", exclude_defaults=True)
    parts = ",".join(f"{key}={text(option)}" for key, option in sorted(options.items()) if key != "name")
    return f"{strategy.name}:{parts}" if parts else strategy.name


def text(option: object) -> str:
    return option if isinstance(option, str) else json.dumps(option)
