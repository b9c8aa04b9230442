"""Everything of vLLM's server is the same under ours, or listed with a reason: the table is true and complete."""

import pytest

from tests.fakes.real_engine import BorrowedBackend
from tests.parity.bodies import KINDS
from tests.parity.walk import list_fields
from tests.parity.write_table import FILE, measure

pytest_plugins = ["tests.fakes.real_engine"]
pytestmark = [pytest.mark.engine, pytest.mark.shared, pytest.mark.asyncio(loop_scope="session")]


async def test_every_path_field_and_flag_of_vllms_is_as_the_table_says(shared_engine: BorrowedBackend) -> None:
    table = await measure(shared_engine)
    assert "DIFFERENT" not in table and "MISSING" not in table
    assert table.splitlines() == FILE.read_text(encoding="utf-8").splitlines()


async def test_every_field_has_a_value_and_every_value_is_a_field(shared_engine: BorrowedBackend) -> None:
    for kind in KINDS:
        fields = list_fields(kind)
        assert len(fields) > 20
        for field in fields:
            assert kind.build(field)
        assert set(kind.own) <= set(fields), set(kind.own) - set(fields)
