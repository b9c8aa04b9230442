"""The machines that the sandbox knows."""

import platform
import sys

from cogitate.server.engine import CannotStart
from cogitate.server.sandbox.syscalls import MACHINE


def check_machine() -> None:
    """Raises CannotStart on any other."""
    if sys.platform != "linux" or platform.machine() != MACHINE:
        raise CannotStart(
            f"--code-exec: programs can be run on Linux on {MACHINE} only, and this is {sys.platform} on "
            f"{platform.machine()}; run an executor on one that is, and give remote:/path/to.sock"
        )
