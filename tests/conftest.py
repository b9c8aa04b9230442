"""For every test: properties are not races, so hypothesis sets no deadline."""

import pytest
from hypothesis import settings

from tests.faults.rows import Bar

# Some modules take its fixtures as a plugin, and some import it before that.
pytest.register_assert_rewrite("tests.redis_server")
settings.register_profile("cogitate", deadline=None, max_examples=60)
settings.load_profile("cogitate")


@pytest.fixture
def bar(request: pytest.FixtureRequest) -> Bar:
    """Notes a figure of the fault list and holds it to its bar."""
    return Bar(request.node)
