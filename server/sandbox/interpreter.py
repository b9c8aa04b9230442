"""The Python that runs programs: one under /usr, the only folder that a sandbox shows.

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
"""No site-packages of anyone, no bytecode written. boot.py takes the working folder off the path."""
ENVIRONMENT = {"PYTHONHASHSEED": "0"}
"""All of it: the same program says the same twice."""
INSIDE = "cogitate.server.sandbox.guest"
ALWAYS = ("frames", "values", "confine", "landlock")
OWNER = "of-cogitate-"
"""With the server's pid, a word in the command of every process of a sandbox: residue.py knows them by it."""
Modules = tuple[tuple[str, str], ...]


@cache
def command() -> tuple[str, ...]:
    """Raises CannotStart."""
    for path in _candidates():
        if path.is_file() and os.access(path, os.X_OK):
            return (str(path), *FLAGS, _source("boot"), f"{OWNER}{os.getpid()}")
    raise CannotStart("--code-exec needs a Python under /usr, which programs are run by: apt-get install python3")


def _candidates() -> Iterator[Path]:
    ours = Path(sys.executable).resolve()
    if ours.is_relative_to("/usr"):
        yield ours
    yield from (Path("/usr/bin/python3"), Path("/usr/local/bin/python3"))


@cache
def modules(*, main: str, landlock: bool) -> Modules:
    """Names and sources, in the order of their imports. `confine` is not run in vain by what needs no Landlock."""
    wanted = [name for name in ALWAYS if landlock or name != "landlock"]
    # confine imports landlock when it is called, thus it may come first.
    return tuple((f"{INSIDE}.{name}", _source(name)) for name in (*wanted, main))


@cache
def _source(name: str) -> str:
    return files(INSIDE).joinpath(f"{name}.py").read_text()
