"""Fixtures for each sandbox that this machine can run: its name `code_exec`, its `backend`, and `programs` over it."""

import pytest

from cogitate.server.sandbox.backend import SandboxBackend
from cogitate.server.sandbox.bwrap import open_bubblewrap
from cogitate.server.sandbox.landlock import open_landlock
from cogitate.server.sandbox.local import LocalPrograms
from tests.server.sandbox.backends import SHORT_LIMITS, unavailable_reason


@pytest.fixture(params=["bwrap", "landlock"])
def code_exec(request: pytest.FixtureRequest) -> str:
    if why := unavailable_reason(request.param):
        pytest.skip(f"NOT TESTED IN {request.param}: {why}")
    return str(request.param)


@pytest.fixture
def backend(code_exec: str) -> SandboxBackend:
    return open_bubblewrap() if code_exec == "bwrap" else open_landlock()


@pytest.fixture
def programs(backend: SandboxBackend) -> LocalPrograms:
    return LocalPrograms(backend, SHORT_LIMITS)
