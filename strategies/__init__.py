"""Inference-time reasoning strategies: one module per paper, and the registry.

A new strategy is one module beside this file, with a subclass of `Options` whose `name` is the module's, and one line
in `NAMES`. The request schema, `GET /v1/strategies`, virtual models and the documentation derive from it.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field, TypeAdapter

from cogitate.strategies.core.options import Options

NAMES = (
    "chain_of_thought",
    "self_consistency",
    "best_of_n",
    "beam_search",
    "dvts",
    "particle_filter",
    "budget_forcing",
    "self_refine",
    "selection",
    "synthesis",
    "program_aided",
    "auto",
)
"""Each strategy's module, and name in requests, in the order of the documentation."""


def _load(name: str) -> type[Options]:
    """Import a strategy's module and return its class. Raises LookupError where it has none of this name."""
    for member in vars(import_module(f"{__name__}.{name}")).values():
        if isinstance(member, type) and issubclass(member, Options):
            declared = member.model_fields.get("name")
            if declared is not None and declared.default == name:
                return member
    raise LookupError(f"strategies/{name}.py has no subclass of Options whose name is {name!r}")


STRATEGIES: Mapping[str, type[Options]] = {name: _load(name) for name in NAMES}
if TYPE_CHECKING:
    AnyStrategy = Options
else:
    AnyStrategy = Annotated[Union[tuple(STRATEGIES.values())], Field(discriminator="name")]  # noqa: UP007
parse: TypeAdapter[AnyStrategy] = TypeAdapter(AnyStrategy)
"""Validates a strategy as it is written in a request. Raises pydantic's ValidationError."""
