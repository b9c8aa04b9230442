"""Every field under every strategy is honoured or refused by name, on the real engines."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.fakes.real_engine import BorrowedBackend
from tests.fields.engines import ENGINES, engines
from tests.fields.fields import FIELDS, Field
from tests.fields.matrix import COLUMNS, PLAIN, Verdict, verdicts

pytest_plugins = ["tests.fakes.real_engine"]
pytestmark = [
    pytest.mark.engine,
    pytest.mark.shared,
    pytest.mark.timeout(1800),
    pytest.mark.asyncio(loop_scope="session"),
]


SOME = {"vllm": (PLAIN, "self_consistency", "beam_search"), "remote": (PLAIN, "self_consistency")}
ALL = dict.fromkeys(ENGINES, COLUMNS)


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="session",
    params=[pytest.param(SOME, id="some"), pytest.param(ALL, id="all", marks=pytest.mark.faults)],
)
async def found(
    request: pytest.FixtureRequest, shared_engine: BorrowedBackend
) -> AsyncIterator[dict[str, list[Verdict]]]:
    """Verdicts of some or all columns. Trials run at once, so that the engine batches them."""
    async with engines(shared_engine) as servers:
        yield {name: await verdicts(server, request.param[name]) for name, server in servers.items()}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.title)
async def test_field_is_honoured_or_refused_by_name(found, engine, field: Field):
    of_field = [verdict for verdict in found[engine] if verdict.field is field]
    assert of_field and not [verdict for verdict in of_field if verdict.found == "lost"]
    assert [verdict.found for verdict in of_field if verdict.column == "none"] == [
        "refused" if field.name in ("budget", "thinking_token_budget") else "honoured"
    ]
