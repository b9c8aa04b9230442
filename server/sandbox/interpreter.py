"""The Python interpreter that runs programs: one under /usr, the only folder that a sandbox shows.

It never sees the server's own packages.
"""

import os
import sys
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path

from cogitate.server.engine import CannotStart

FLAGS = ("-s", "-S", "-B", "-c")
"""No site-packages and no bytecode files. guest/boot.py removes the working folder from sys.path."""
ENVIRONMENT = {"PYTHONHASHSEED": "0"}
"""The complete environment. The fixed seed makes programs' output repeatable."""
GUEST_PACKAGE = "cogitate.server.sandbox.guest"
COMMON_MODULES = ("frames", "values", "confine", "landlock")
"""In the order in which they are imported."""
OWNER_MARK = "of-cogitate-"
"""With the server's pid it is the last argument of every sandboxed process, by which cleanup.py recognises them."""
Modules = tuple[tuple[str, str], ...]


@cache
def command() -> tuple[str, ...]:
    """Return the command that starts the interpreter with guest/boot.py. Raises CannotStart where there is none."""
    for path in _candidates():
        if path.is_file() and os.access(path, os.X_OK):
            return (str(path), *FLAGS, _source("boot"), f"{OWNER_MARK}{os.getpid()}")
    raise CannotStart("--code-exec needs a Python under /usr to run programs: apt-get install python3")


def _candidates() -> Iterator[Path]:
    running = Path(sys.executable).resolve()
    if running.is_relative_to("/usr"):
        yield running
    yield from (Path("/usr/bin/python3"), Path("/usr/local/bin/python3"))


@cache
def modules(*, main: str, landlock: bool) -> Modules:
    """Return names and sources of the modules to send to a process; `landlock`: whether it applies Landlock itself."""
    names = [name for name in COMMON_MODULES if landlock or name != "landlock"]
    # `confine` imports `landlock` only when it is called, thus it may come first.
    return tuple((f"{GUEST_PACKAGE}.{name}", _source(name)) for name in (*names, main))


@cache
def _source(name: str) -> str:
    return files(GUEST_PACKAGE).joinpath(f"{name}.py").read_text()
