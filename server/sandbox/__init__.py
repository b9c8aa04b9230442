"""Where programs run that a model wrote. README.md says what keeps them in."""

from typing import get_args

from cogitate.server.engine import CannotStart
from cogitate.server.sandbox import cleanup
from cogitate.server.sandbox.backend import Cage, CageName
from cogitate.server.sandbox.bwrap import bubblewrap
from cogitate.server.sandbox.landlock import landlock
from cogitate.server.sandbox.limits import MOST_RUNS, Limits
from cogitate.server.sandbox.local import LocalPrograms
from cogitate.server.sandbox.machine import check_machine
from cogitate.server.sandbox.quota import Rationed
from cogitate.server.sandbox.remote import RemotePrograms
from cogitate.server.sandbox.selftest import prove
from cogitate.server.settings import Settings
from cogitate.strategies.core.programs import NoPrograms, Programs

__all__ = ["MOST_RUNS", "Limits", "NoPrograms", "Rationed", "open_sandbox", "opened"]
REMOTE = "remote:"


async def open_sandbox(settings: Settings) -> Programs:
    """What --code-exec asks for, proven to hold. Raises CannotStart: never anything weaker instead."""
    return await opened(settings.code_exec, Limits())


async def opened(how: str, limits: Limits) -> Programs:
    """`how` as --code-exec says it. Raises CannotStart."""
    if how == "off":
        return NoPrograms()
    cleanup.reap()
    programs: Programs
    if how.startswith(REMOTE):
        programs = RemotePrograms(how.removeprefix(REMOTE), limits)
    else:
        check_machine()
        programs = LocalPrograms(_cage(how), limits)
    await prove(programs, how)
    return programs


def _cage(how: str) -> Cage:
    if how not in get_args(CageName):
        raise CannotStart(f"--code-exec is off, bwrap, landlock or remote:/path/to.sock, not {how!r}")
    return bubblewrap() if how == "bwrap" else landlock()
