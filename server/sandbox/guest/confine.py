"""Confines a sandboxed process before it runs the first line of a program; no right can be regained.

Under bubblewrap most of it is done already, and the process only sets its limits.
"""

import os
import resource
from typing import Any


def confine(confinement: "dict[str, Any]") -> None:
    """Apply `limits`, and `landlock` where that is not None and bubblewrap does not confine the process."""
    if confinement["landlock"] is None:
        _limit(confinement["limits"], 0)
        return
    from cogitate.server.sandbox.guest.landlock import drop_privileges, restrict

    user_tasks = drop_privileges(confinement["landlock"])
    _limit(confinement["limits"], user_tasks)
    restrict(confinement["landlock"])


def _limit(limits: "dict[str, int]", user_tasks: int) -> None:
    """`user_tasks`: tasks that the same user runs elsewhere, which the kernel counts too."""
    for kind, limit in (
        (resource.RLIMIT_AS, limits["memory"]),
        (resource.RLIMIT_CPU, limits["cpu"]),
        (resource.RLIMIT_FSIZE, limits["file"]),
        (resource.RLIMIT_NOFILE, limits["files"]),
        (resource.RLIMIT_NPROC, limits["processes"] + user_tasks),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (limit, limit))
    os.chdir("/")
