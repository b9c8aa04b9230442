"""--code-exec: what is opened is what was asked for and was seen to hold, or the server does not start."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from pydantic import ValidationError

from cogitate.server.engine import CannotStart
from cogitate.server.sandbox import Limits, Rationed, open_sandbox, opened
from cogitate.server.sandbox.backend import Cage, Start, confinement
from cogitate.server.sandbox.bwrap import Bubblewrap
from cogitate.server.sandbox.local import LocalPrograms
from cogitate.server.sandbox.selftest import bait, escapes, prove
from cogitate.server.settings import Settings
from cogitate.strategies.core.programs import Programs, ProgramsOff
from tests.resilience.server_process import Server
from tests.server.sandbox.backends import QUICK, Bare, none_left


async def test_off_is_the_default_and_runs_nothing():
    programs = await open_sandbox(Settings())
    with pytest.raises(ProgramsOff, match="--code-exec off"):
        await programs.run("print(1)")
    with pytest.raises(ProgramsOff, match="--code-exec off"):
        await programs.test("def f(): pass", ["f()"])


@pytest.mark.parametrize("said", ["on", "", "docker", "remote:", "bwrap ", "landlock,bwrap"])
def test_a_setting_that_means_nothing_is_refused(said: str):
    with pytest.raises(ValidationError):
        Settings(code_exec=said)


async def test_what_is_asked_for_is_opened_within_two_seconds(how: str):
    began = time.perf_counter()
    programs = await open_sandbox(Settings(code_exec=how))
    assert time.perf_counter() - began < 2
    assert (await programs.run("print(6 * 7)")).stdout == "42\n"
    assert await none_left()


@pytest.mark.parametrize("how", ["remote:/nowhere/at/all.sock", "magic"])
async def test_what_is_not_there_is_never_replaced(how: str):
    with pytest.raises(CannotStart, match="--code-exec") as told:
        await opened(how, Limits())
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("how", ["remote:/nowhere/at/all.sock", "bwrap"])
def test_t5_a_server_whose_sandbox_is_not_there_does_not_start(bar, how: str):
    with Server(flags=("--code-exec", how), environment={"PATH": "/nowhere"}, ready=False) as server:
        status = server.ended(30)
        said = server.output
    named = "--code-exec" in said and "Traceback" not in said and "ready:" not in said
    bar(
        "T5", f"--code-exec {how}, which is not there: exit", f"{status}", "not 0, with its name", status != 0 and named
    )


async def test_a_bwrap_that_does_not_work_says_why(tmp_path: Path):
    broken = write_script(tmp_path / "bwrap", "echo 'bwrap: No permissions to create new namespace' >&2; exit 1")
    with pytest.raises(CannotStart, match="runs no program: bwrap: No permissions"):
        await prove(LocalPrograms(Bubblewrap(str(broken), None), QUICK), "bwrap")


def write_script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


async def test_no_isolation_is_seen_through():
    with pytest.raises(CannotStart, match="does not hold: .*/etc/passwd.*a connection to a port.*a process of its own"):
        await prove(LocalPrograms(Bare(), QUICK), "bare")


@dataclass(frozen=True, slots=True)
class Torn:
    """A cage with one hole: everything of landlock's but one part."""

    cage: Cage
    without: str

    @property
    def name(self) -> str:
        return "torn"

    @contextmanager
    def start(self, place: int, limits: Limits) -> Iterator[Start]:
        with self.cage.start(place, limits) as start:
            own = dict(start.confinement["landlock"])
            own |= {"paths": [("/", 0xF)]} if self.without == "paths" else {"filter": ALLOW_ALL}
            yield Start(start.command, confinement(limits, own))


ALLOW_ALL = bytes.fromhex("0600000000 00ff7f".replace(" ", ""))


@pytest.mark.parametrize(("without", "found"), [("paths", "/etc/passwd"), ("filter", "a process of its own")])
async def test_one_hole_is_enough_to_stay_shut(how: str, cage: Cage, without: str, found: str):
    if how != "landlock":
        pytest.skip("bubblewrap's namespaces cannot be had in part")
    with pytest.raises(CannotStart, match=found):
        await prove(LocalPrograms(Torn(cage, without), QUICK), "torn")


async def test_a_limit_that_does_not_hold_is_seen(cage: Cage):
    with pytest.raises(CannotStart, match="768 MB of memory"):
        await prove(LocalPrograms(cage, Limits(memory=4 << 30)), "loose")


def test_the_canaries_leave_nothing():
    with bait() as laid:
        assert Path(laid.file).read_text() == "canary"
        assert escapes(laid).startswith(f'BAIT = {{"pid": {os.getpid()}')
    assert not Path(laid.file).parent.exists()


async def test_a_request_has_a_ration(programs: Programs):
    mine, yours = Rationed(programs, 2), Rationed(programs, 1)
    assert (await mine.run("print(1)")).ok
    assert (await mine.test("def f(): return 1", ["assert f()"])).passed == (True,)
    assert (await mine.run("print(1)")).reason == "refused"
    assert (await mine.test("def f(): return 1", ["assert f()"])).passed == (False,)
    assert (await yours.run("print(1)")).ok


def test_what_runs_inside_needs_none_of_our_packages():
    """Each module, imported by an interpreter that has nothing but the standard library."""
    inside = Path(sys.modules["cogitate.server.sandbox"].__path__[0]) / "guest"
    names = sorted(path.stem for path in inside.glob("*.py") if path.stem not in ("__init__", "boot"))
    script = "import sys\nsys.path.insert(0, sys.argv[1])\n" + "\n".join(
        f"import cogitate.server.sandbox.guest.{name}" for name in names
    )
    root = inside.parent / "nothing"
    command = [sys.executable, "-I", "-S", "-c", BARE_PACKAGES + script, str(root), str(inside)]
    assert subprocess.run(command, capture_output=True, text=True).stderr == ""


BARE_PACKAGES = """
import sys, types
for name in ("cogitate", "cogitate.server", "cogitate.server.sandbox", "cogitate.server.sandbox.guest"):
    package = sys.modules[name] = types.ModuleType(name)
    package.__path__ = [sys.argv[2]] if name.endswith("guest") else []
"""


def test_a_server_that_is_not_root_holds_them_too(how: str):
    """Where it cannot give each run a user of its own."""
    python, packages = Path("/usr/bin/python3"), str(Path(psutil.__file__).parents[1])
    version = subprocess.run([python, "-c", PRINT_VERSION], capture_output=True, text=True).stdout.strip()
    if os.geteuid() != 0 or version != str(sys.version_info[:2]):
        pytest.skip("needs root, to become somebody else, and the same Python under /usr")
    somebody = ["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups", str(python), "-B", "-c"]
    told = subprocess.run(
        [*somebody, OPEN, how], env={"PYTHONPATH": f"{os.getcwd()}:{packages}"}, capture_output=True, text=True
    )
    assert (told.stdout, told.stderr) == ("12345\n" if how == "landlock" else "65534\n", "")


PRINT_VERSION = "import sys; print(sys.version_info[:2])"
OPEN = """
import asyncio, sys
from server.sandbox import Limits, opened

async def main():
    programs = await opened(sys.argv[1], Limits())
    print(end=(await programs.run("import os; print(os.getuid())")).stdout)

asyncio.run(main())
"""
