"""Runs programs that a model wrote in a sandbox. README.md describes the sandboxes and what they guarantee."""

import platform
import sys
from typing import get_args

from cogitate.server.engine import CannotStart
from cogitate.server.sandbox import cleanup
from cogitate.server.sandbox.backend import BackendName, SandboxBackend
from cogitate.server.sandbox.bwrap import open_bubblewrap
from cogitate.server.sandbox.landlock import open_landlock
from cogitate.server.sandbox.limits import MAX_RUNS_PER_REQUEST, Limits
from cogitate.server.sandbox.local import LocalPrograms
from cogitate.server.sandbox.quota import RunQuota
from cogitate.server.sandbox.remote import RemotePrograms
from cogitate.server.sandbox.selftest import run_selftest
from cogitate.server.sandbox.syscalls import MACHINE
from cogitate.server.settings import Settings
from cogitate.strategies.core.programs import NoPrograms, Programs

__all__ = ["MAX_RUNS_PER_REQUEST", "Limits", "NoPrograms", "RunQuota", "open_programs", "open_sandbox"]
REMOTE_PREFIX = "remote:"


async def open_sandbox(settings: Settings) -> Programs:
    """Open the sandbox that --code-exec names, and no weaker one in its place.

    Raises CannotStart where it is unavailable or fails its self-test.
    """
    return await open_programs(settings.code_exec, Limits())


async def open_programs(code_exec: str, limits: Limits) -> Programs:
    """Open a sandbox by the value of --code-exec, and test it. Raises CannotStart."""
    if code_exec == "off":
        return NoPrograms()
    cleanup.remove_leftovers()
    programs: Programs
    if code_exec.startswith(REMOTE_PREFIX):
        programs = RemotePrograms(code_exec.removeprefix(REMOTE_PREFIX), limits)
    else:
        _check_machine()
        programs = LocalPrograms(_open_backend(code_exec), limits)
    await run_selftest(programs, code_exec)
    return programs


def _check_machine() -> None:
    """Raises CannotStart where the system calls' numbers are not those of syscalls.py."""
    if sys.platform != "linux" or platform.machine() != MACHINE:
        raise CannotStart(
            f"--code-exec: programs run on Linux on {MACHINE} only, and this machine is {sys.platform} on "
            f"{platform.machine()}; start an executor on a suitable machine, and use remote:/path/to.sock"
        )


def _open_backend(name: str) -> SandboxBackend:
    if name not in get_args(BackendName):
        raise CannotStart(f"--code-exec is off, bwrap, landlock or remote:/path/to.sock, not {name!r}")
    return open_bubblewrap() if name == "bwrap" else open_landlock()
