"""--code-exec: the named sandbox is opened and passes its self-test, or the server does not start."""

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
from cogitate.server.sandbox import Limits, RunQuota, open_programs, open_sandbox
from cogitate.server.sandbox.backend import LaunchSpec, SandboxBackend, build_confinement
from cogitate.server.sandbox.bwrap import Bubblewrap
from cogitate.server.sandbox.local import LocalPrograms
from cogitate.server.sandbox.selftest import build_probe, open_targets, run_selftest
from cogitate.server.settings import Settings
from cogitate.strategies.core.programs import Programs, ProgramsOff
from tests.resilience.server_process import Server
from tests.server.sandbox.backends import SHORT_LIMITS, Unconfined, wait_until_none


async def test_default_is_off_and_runs_nothing():
    programs = await open_sandbox(Settings())
    with pytest.raises(ProgramsOff, match="start the server with --code-exec"):
        await programs.run("print(1)")
    with pytest.raises(ProgramsOff, match="start the server with --code-exec"):
        await programs.test("def f(): pass", ["f()"])


@pytest.mark.parametrize("value", ["on", "", "docker", "remote:", "bwrap ", "landlock,bwrap"])
def test_unknown_value_raises_validation_error(value: str):
    with pytest.raises(ValidationError):
        Settings(code_exec=value)


async def test_sandbox_opens_within_two_seconds(code_exec: str):
    began = time.perf_counter()
    programs = await open_sandbox(Settings(code_exec=code_exec))
    assert time.perf_counter() - began < 2
    assert (await programs.run("print(6 * 7)")).stdout == "42\n"
    assert await wait_until_none()


@pytest.mark.parametrize("code_exec", ["remote:/nowhere/at/all.sock", "magic"])
async def test_unavailable_sandbox_raises_cannot_start(code_exec: str):
    with pytest.raises(CannotStart, match="--code-exec") as raised:
        await open_programs(code_exec, Limits())
    assert "\n" not in str(raised.value)


@pytest.mark.fault("T5")
@pytest.mark.fault("T5")
@pytest.mark.parametrize("code_exec", ["remote:/nowhere/at/all.sock", "bwrap"])
def test_server_with_unavailable_sandbox_does_not_start(bar, code_exec: str):
    with Server(flags=("--code-exec", code_exec), environment={"PATH": "/nowhere"}, ready=False) as server:
        status = server.wait_for_exit(30)
        output = server.output
    named = "--code-exec" in output and "Traceback" not in output and "ready:" not in output
    bar(
        f"--code-exec {code_exec}, which is not there: exit",
        f"{status}",
        "not 0, with its name",
        status != 0 and named,
    )


async def test_broken_bwrap_is_reported_with_its_message(tmp_path: Path):
    broken = write_script(tmp_path / "bwrap", "echo 'bwrap: No permissions to create new namespace' >&2; exit 1")
    with pytest.raises(CannotStart, match="runs no program: bwrap: No permissions"):
        await run_selftest(LocalPrograms(Bubblewrap(str(broken), None), SHORT_LIMITS), "bwrap")


def write_script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


async def test_selftest_fails_without_isolation():
    with pytest.raises(
        CannotStart, match="does not isolate programs: .*/etc/passwd.*a connection to a port.*a process of its own"
    ):
        await run_selftest(LocalPrograms(Unconfined(), SHORT_LIMITS), "bare")


@dataclass(frozen=True, slots=True)
class Weakened:
    """The landlock backend with one part disabled."""

    backend: SandboxBackend
    without: str

    @property
    def name(self) -> str:
        return "weakened"

    @contextmanager
    def prepare(self, slot: int, limits: Limits) -> Iterator[LaunchSpec]:
        with self.backend.prepare(slot, limits) as spec:
            rules = dict(spec.confinement["landlock"])
            rules |= {"paths": [("/", 0xF)]} if self.without == "paths" else {"filter": ALLOW_ALL}
            yield LaunchSpec(spec.command, build_confinement(limits, rules))


ALLOW_ALL = bytes.fromhex("0600000000 00ff7f".replace(" ", ""))


@pytest.mark.parametrize(("without", "found"), [("paths", "/etc/passwd"), ("filter", "a process of its own")])
async def test_selftest_fails_where_one_part_is_disabled(
    code_exec: str, backend: SandboxBackend, without: str, found: str
):
    if code_exec != "landlock":
        pytest.skip("bubblewrap has no parts that can be disabled")
    with pytest.raises(CannotStart, match=found):
        await run_selftest(LocalPrograms(Weakened(backend, without), SHORT_LIMITS), "weakened")


async def test_selftest_fails_where_the_memory_limit_is_too_high(backend: SandboxBackend):
    with pytest.raises(CannotStart, match="768 MB of memory"):
        await run_selftest(LocalPrograms(backend, Limits(memory=4 << 30)), "loose")


def test_targets_are_removed():
    with open_targets() as targets:
        assert Path(targets.file).read_text() == "canary"
        assert build_probe(targets).startswith(f'TARGETS = {{"pid": {os.getpid()}')
    assert not Path(targets.file).parent.exists()


async def test_quota_limits_runs_per_request(programs: Programs):
    first, second = RunQuota(programs, 2), RunQuota(programs, 1)
    assert (await first.run("print(1)")).ok
    assert (await first.test("def f(): return 1", ["assert f()"])).passed == (True,)
    assert (await first.run("print(1)")).reason == "refused"
    assert (await first.test("def f(): return 1", ["assert f()"])).passed == (False,)
    assert (await second.run("print(1)")).ok


def test_guest_modules_import_the_standard_library_only():
    """Import each module with an interpreter that has the standard library only."""
    guest = Path(sys.modules["cogitate.server.sandbox"].__path__[0]) / "guest"
    names = sorted(path.stem for path in guest.glob("*.py") if path.stem not in ("__init__", "boot"))
    script = "import sys\nsys.path.insert(0, sys.argv[1])\n" + "\n".join(
        f"import cogitate.server.sandbox.guest.{name}" for name in names
    )
    root = guest.parent / "nothing"
    command = [sys.executable, "-I", "-S", "-c", BARE_PACKAGES + script, str(root), str(guest)]
    assert subprocess.run(command, capture_output=True, text=True).stderr == ""


BARE_PACKAGES = """
import sys, types
for name in ("cogitate", "cogitate.server", "cogitate.server.sandbox", "cogitate.server.sandbox.guest"):
    package = sys.modules[name] = types.ModuleType(name)
    package.__path__ = [sys.argv[2]] if name.endswith("guest") else []
"""


def test_unprivileged_server_opens_the_sandbox(code_exec: str):
    """Such a server cannot give each run a user of its own."""
    python, packages = Path("/usr/bin/python3"), str(Path(psutil.__file__).parents[1])
    version = subprocess.run([python, "-c", PRINT_VERSION], capture_output=True, text=True).stdout.strip()
    if os.geteuid() != 0 or version != str(sys.version_info[:2]):
        pytest.skip("needs root, to change to another user, and the same Python under /usr")
    command = ["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups", str(python), "-B", "-c"]
    raised = subprocess.run(
        [*command, OPEN, code_exec],
        env={"PYTHONPATH": f"{os.getcwd()}/deploy/package:{packages}"},
        capture_output=True,
        text=True,
    )
    assert (raised.stdout, raised.stderr) == ("12345\n" if code_exec == "landlock" else "65534\n", "")


PRINT_VERSION = "import sys; print(sys.version_info[:2])"
OPEN = """
import asyncio, sys
from cogitate.server.sandbox import Limits, open_programs

async def main():
    programs = await open_programs(sys.argv[1], Limits())
    print(end=(await programs.run("import os; print(os.getuid())")).stdout)

asyncio.run(main())
"""
