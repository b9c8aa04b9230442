"""What a sandboxed process gives up before it sees the first line of a program; none of it can be had back.

bubblewrap has done most of it already, so its processes only take their limits here.
"""

import os
import resource
from typing import Any


def confine(confinement: "dict[str, Any]") -> None:
    """`limits` for all; `landlock`: what the process does on top of them where no bubblewrap stands around it."""
    if confinement["landlock"] is None:
        _limit(confinement["limits"], 0)
        return
    from cogitate.server.sandbox.guest.landlock import become, lock

    others = become(confinement["landlock"])
    _limit(confinement["limits"], others)
    lock(confinement["landlock"])


def _limit(limits: "dict[str, int]", others: int) -> None:
    """`others`: tasks of the same user, which the kernel counts as ours."""
    for what, most in (
        (resource.RLIMIT_AS, limits["memory"]),
        (resource.RLIMIT_CPU, limits["cpu"]),
        (resource.RLIMIT_FSIZE, limits["file"]),
        (resource.RLIMIT_NOFILE, limits["files"]),
        (resource.RLIMIT_NPROC, limits["processes"] + others),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))
    os.chdir("/")
