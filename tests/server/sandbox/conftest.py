"""`how`: the name of each backend in turn, those left out that this machine cannot run; `cage` and `programs`: it."""

import pytest

from cogitate.server.sandbox.backend import Cage
from cogitate.server.sandbox.bwrap import bubblewrap
from cogitate.server.sandbox.landlock import landlock
from cogitate.server.sandbox.local import LocalPrograms
from tests.server.sandbox.backends import QUICK, reason_not_to


@pytest.fixture(params=["bwrap", "landlock"])
def how(request: pytest.FixtureRequest) -> str:
    if why := reason_not_to(request.param):
        pytest.skip(f"NOT TESTED IN {request.param}: {why}")
    return str(request.param)


@pytest.fixture
def cage(how: str) -> Cage:
    return bubblewrap() if how == "bwrap" else landlock()


@pytest.fixture
def programs(cage: Cage) -> LocalPrograms:
    return LocalPrograms(cage, QUICK)
