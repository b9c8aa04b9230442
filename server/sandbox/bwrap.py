"""bubblewrap: namespaces that contain nothing but Python. For bare metal and virtual machines.

The process sees /usr, three devices and no writable file; no other process, no network, no /proc, no environment. It is
pid 1 of its own pid namespace, so that all its descendants die with it, and it dies with the server.
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
from cogitate.server.sandbox.backend import LaunchSpec, build_confinement, slot_user
from cogitate.server.sandbox.limits import Limits

DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")
NAMESPACES = ("--as-pid-1", "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent")
"""Without --new-session: the server starts a session for bwrap and its child, and kills them as one process group."""
NOBODY = ("--clearenv", "--cap-drop", "ALL", "--uid", "65534", "--gid", "65534", "--hostname", "sandbox")


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """Starts processes with bwrap."""

    program: str
    """Path of bwrap."""
    setpriv: str | None
    """Path of setpriv, where the server is root: the kernel does not count root's processes in a user namespace."""
    name: str = "bwrap"

    @contextmanager
    def prepare(self, slot: int, limits: Limits) -> Iterator[LaunchSpec]:
        """See SandboxBackend."""
        rules = os.memfd_create("rules")
        try:
            os.write(rules, seccomp.build_filter(may_exec=True))
            os.lseek(rules, 0, os.SEEK_SET)
            yield LaunchSpec(self._command(slot, rules), build_confinement(limits), (rules,))
        finally:
            os.close(rules)

    def _command(self, slot: int, rules: int) -> tuple[str, ...]:
        environment = [word for pair in interpreter.ENVIRONMENT.items() for word in ("--setenv", *pair)]
        devices = [word for path in DEVICES for word in ("--dev-bind", path, path)]
        mounts = (*_system_mounts(), *devices, "--remount-ro", "/")
        options = (*NAMESPACES, *NOBODY, *mounts, "--chdir", "/", *environment, "--seccomp", str(rules))
        return (*self._user_command(slot), self.program, *options, "--", *interpreter.command())

    def _user_command(self, slot: int) -> tuple[str, ...]:
        if self.setpriv is None:
            return ()
        user = str(slot_user(slot))
        return (self.setpriv, "--reuid", user, "--regid", user, "--clear-groups", "--")


def _system_mounts() -> Iterator[str]:
    """Mounts /usr, and /lib and /lib64 as this system has them: as links into /usr or as folders."""
    yield from ("--ro-bind", "/usr", "/usr")
    for path in map(Path, ("/lib", "/lib64")):
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))
        elif path.is_dir():
            yield from ("--ro-bind", str(path), str(path))


def open_bubblewrap() -> Bubblewrap:
    """Raises CannotStart where a program is missing that it needs."""
    is_root = os.geteuid() == 0
    return Bubblewrap(_find_program("bwrap", "bubblewrap"), _find_program("setpriv", "util-linux") if is_root else None)


def _find_program(program: str, package: str) -> str:
    python_folder = str(Path(sys.executable).parent)
    path = shutil.which(program) or shutil.which(program, path=python_folder)
    if path is None:
        raise CannotStart(f"--code-exec bwrap needs the program {program}: apt-get install {package}")
    return path
