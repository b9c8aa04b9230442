"""Known escape attempts, run in every backend: none reaches a canary, and each ends in time."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import pytest

from cogitate.server.sandbox.local import LocalPrograms
from cogitate.server.sandbox.selftest import open_targets
from tests.server.sandbox.backends import SHORT_LIMITS, Unconfined, wait_until_none
from tests.server.sandbox.payloads import Payload, files, interpreter, kernel, network, processes, resources

pytestmark = [pytest.mark.faults, pytest.mark.fault("T5")]

MODULES = (files, network, processes, kernel, resources, interpreter)
PAYLOADS = [payload for module in MODULES for payload in module.PAYLOADS]
CANARY = "canary"


class Surroundings:
    """The targets outside the sandbox, and whether an attempt has changed or reached any of them."""

    def __init__(self, targets: dict[str, object], sockets: list[socket.socket]) -> None:
        self.targets, self._sockets = targets, sockets
        self._folder = Path(str(targets["folder"]))
        self._before = self._state()

    def _state(self) -> list[tuple[str, int, int, int, str]]:
        return sorted(
            (path.name, info.st_mode, info.st_size, info.st_mtime_ns, path.read_text() if path.is_file() else "")
            for path in self._folder.iterdir()
            for info in [path.stat()]
        )

    def find_changes(self) -> list[str]:
        found = [] if self._state() == self._before else ["files"]
        return found + [f"socket {one.getsockname()}" for one in self._sockets if self._received(one)]

    def _received(self, listener: socket.socket) -> bool:
        listener.setblocking(False)
        try:
            listener.recv(1) if listener.type == socket.SOCK_DGRAM else listener.accept()[0].close()
        except BlockingIOError:
            return False
        return True


@pytest.fixture
def outside() -> Iterator[Surroundings]:
    with ExitStack() as stack:
        targets = stack.enter_context(open_targets())
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        folder = Path(targets.file).parent
        (folder / "writable").write_text(CANARY)
        (folder / "writable").chmod(0o666)
        (folder / "bait_module.py").write_text(f"print({CANARY!r})")
        more = {"folder": str(folder), "writable": str(folder / "writable"), "udp": udp.getsockname()[1]}
        os.environ["SERVERS_CANARY"] = CANARY  # noqa: TID251  a program must not read it
        stack.callback(os.environ.pop, "SERVERS_CANARY")  # noqa: TID251
        before = signal.signal(signal.SIGUSR2, lambda *_: os._exit(99))
        stack.callback(signal.signal, signal.SIGUSR2, before)
        yield Surroundings({**asdict(targets), **more}, [udp])


def test_there_are_at_least_100_payloads_with_unique_names():
    assert len({payload.name for payload in PAYLOADS}) == len(PAYLOADS) >= 100


@pytest.mark.fault("T5")
@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.name)
async def test_payload_reaches_nothing_outside(
    bar, code_exec: str, programs: LocalPrograms, outside: Surroundings, payload: Payload
):
    ran = await programs.run(payload.program(outside.targets))
    assert "ESCAPED" not in ran.stdout
    assert CANARY not in ran.stdout.replace(str(outside.targets), "")
    touched, left = outside.find_changes(), not await wait_until_none()
    # test_run_program.py has the limit of half a second; here the machine is busy
    isolated = not touched and not left and ran.seconds < SHORT_LIMITS.wall + 1.5
    figure = f"{touched or 'nothing'} touched, {ran.seconds:.1f} s, {'something' if left else 'nothing'} left"
    bar(f"{code_exec}: {payload.name}", figure, f"nothing, {SHORT_LIMITS.wall + 1.5:.1f} s, nothing", isolated)


@pytest.mark.parametrize("payload", [payload for payload in PAYLOADS if payload.tame], ids=lambda payload: payload.name)
async def test_payload_succeeds_without_a_sandbox(outside: Surroundings, payload: Payload):
    ran = await LocalPrograms(Unconfined(), SHORT_LIMITS).run(payload.program(outside.targets))
    assert "ESCAPED" in ran.stdout or CANARY in ran.stdout, ran
