"""For every test: properties are not races, so hypothesis sets no deadline. Who shares the real engine comes last."""

from pathlib import Path

import pytest
from hypothesis import settings

from tests.resilience.report import Bar

TESTS = Path(__file__).parent
# Some modules take their fixtures as a plugin, and some import them before that.
pytest.register_assert_rewrite("tests.fakes.redis_server", "tests.fakes.real_engine", "tests.fakes.vllm_reference")
settings.register_profile("cogitate", deadline=None, max_examples=60)
settings.load_profile("cogitate")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--scale", type=float, default=1.0, help="how much of the fault list's own minutes and counts")


@pytest.fixture
def scale(request: pytest.FixtureRequest) -> float:
    """What the long rows take times their seconds and counts: 1, unless somebody only tries whether they run."""
    return float(request.config.getoption("--scale"))


@pytest.fixture
def bar(request: pytest.FixtureRequest) -> Bar:
    """Notes a figure of the fault list and holds it to its bar."""
    return Bar(request.node)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.relative_to(TESTS).as_posix().startswith(("resilience/", "server/sandbox/")):
            item.add_marker("alone")
    items.sort(key=lambda item: item.get_closest_marker("shared") is not None)
