"""`how`: the name of each backend in turn, those left out that this machine cannot run; `cage` and `programs`: it."""

import pytest

from server.sandbox.cages import Cage
from server.sandbox.cages.bwrap import bubblewrap
from server.sandbox.cages.landlock import landlock
from server.sandbox.local import LocalPrograms
from tests.sandbox.backends import QUICK, reason_not_to


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
