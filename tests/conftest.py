"""Options, fixtures and order of all tests. Hypothesis sets no deadline, since the machine may be busy."""

from pathlib import Path

import pytest
from hypothesis import settings

from tests.resilience.report import Bar

TESTS = Path(__file__).parent
# Some modules load these as plugins after other modules have imported them.
pytest.register_assert_rewrite("tests.fakes.redis_server", "tests.fakes.real_engine", "tests.fakes.vllm_reference")
settings.register_profile("cogitate", deadline=None, max_examples=60)
settings.load_profile("cogitate")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--scale", type=float, default=1.0, help="factor on the durations and counts of long tests")


@pytest.fixture
def scale(request: pytest.FixtureRequest) -> float:
    """The factor on durations and counts of long tests; below 1 for a trial run."""
    return float(request.config.getoption("--scale"))


@pytest.fixture
def bar(request: pytest.FixtureRequest) -> Bar:
    """Record a figure under the test's row of the fault list (`pytest.mark.fault`) and assert its limit."""
    return Bar(request.node)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks tests of real processes `alone`, and moves tests that share the real engine to the end."""
    for item in items:
        if item.path.relative_to(TESTS).as_posix().startswith(("resilience/", "server/sandbox/")):
            item.add_marker("alone")
    items.sort(key=lambda item: item.get_closest_marker("shared") is not None)
