"""bubblewrap: namespaces in which there is nothing but Python. For bare metal and virtual machines.

The process sees /usr, three devices, and no file that it could write; no other process, no network, no /proc, no
environment. It is pid 1 of its own pid namespace, so whatever it became dies with it, and it dies with the server.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cogitate.server.engine import CannotStart
from cogitate.server.sandbox import interpreter, seccomp
from cogitate.server.sandbox.backend import Start, confinement, user_at
from cogitate.server.sandbox.limits import Limits

DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")
NAMESPACES = ("--as-pid-1", "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent")
"""No --new-session: the server has made one for the two processes, and kills them as one group."""
NOBODY = ("--clearenv", "--cap-drop", "ALL", "--uid", "65534", "--gid", "65534", "--hostname", "sandbox")


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    program: str
    """bwrap's path."""
    become: str | None
    """setpriv's path where the server is root: inside a user namespace root's processes are not counted."""
    name: str = "bwrap"

    @contextmanager
    def start(self, place: int, limits: Limits) -> Iterator[Start]:
        rules = os.memfd_create("rules")
        try:
            os.write(rules, seccomp.compiled(may_exec=True))
            os.lseek(rules, 0, os.SEEK_SET)
            yield Start(self._command(place, rules), confinement(limits), (rules,))
        finally:
            os.close(rules)

    def _command(self, place: int, rules: int) -> tuple[str, ...]:
        environment = [word for pair in interpreter.ENVIRONMENT.items() for word in ("--setenv", *pair)]
        files = (*_system(), *(word for path in DEVICES for word in ("--dev-bind", path, path)), "--remount-ro", "/")
        within = (*NAMESPACES, *NOBODY, *files, "--chdir", "/", *environment, "--seccomp", str(rules))
        return (*self._as(place), self.program, *within, "--", *interpreter.command())

    def _as(self, place: int) -> tuple[str, ...]:
        if self.become is None:
            return ()
        user = str(user_at(place))
        return (self.become, "--reuid", user, "--regid", user, "--clear-groups", "--")


def _system() -> Iterator[str]:
    """/usr, and the older names of its folders as this system has them: links, or folders of their own."""
    yield from ("--ro-bind", "/usr", "/usr")
    for path in map(Path, ("/lib", "/lib64")):
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))
        elif path.is_dir():
            yield from ("--ro-bind", str(path), str(path))


def bubblewrap() -> Bubblewrap:
    """Raises CannotStart where a program that it needs is missing."""
    root = os.geteuid() == 0
    return Bubblewrap(_found("bwrap", "bubblewrap"), _found("setpriv", "util-linux") if root else None)


def _found(program: str, package: str) -> str:
    beside = str(Path(sys.executable).parent)
    path = shutil.which(program) or shutil.which(program, path=beside)
    if path is None:
        raise CannotStart(f"--code-exec bwrap needs the program {program}: apt-get install {package}")
    return path
