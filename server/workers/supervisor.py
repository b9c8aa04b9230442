"""The parent of the workers: starts them on one port, replaces those that die, and stops them together.

Each worker binds the port with SO_REUSEPORT, and the kernel gives every new connection to one of them by its hash. With
one inherited socket, which all of them accept from, whoever wakes first would take all connections that wait.
"""

import gc
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from tempfile import mkdtemp

from cogitate.server.config.workers import share_of
from cogitate.server.engine.factory import build_backend
from cogitate.server.launcher import (
    PROGRESS_SECONDS,
    BackendFactory,
    CannotServe,
    ProgressReporter,
    bind_socket,
    build_greeting,
    build_url,
)
from cogitate.server.observability.shared_metrics import forget_worker
from cogitate.server.settings import Settings
from cogitate.server.workers.messages import HEARTBEAT_SECONDS, Abort, Failed, Go, Loaded, Progress, Report, Stop
from cogitate.server.workers.process import STOP_SIGNALS, WorkerProcess
from cogitate.server.workers.worker import Assignment, run_worker

CLOSE_SECONDS = 20.0
"""Time that a worker has after its drain, or after an abort, before it is killed. Its own limits add up to 12 s."""


def supervise(settings: Settings, factory: BackendFactory = build_backend) -> None:
    """Run the workers until they are stopped. Raises CannotServe."""
    folder = create_folder()
    try:
        with ExitStack() as stack:
            reserved = [stack.enter_context(reserve_port(settings.host, settings.port))]
            if settings.metrics_port is not None:
                reserved.append(
                    stack.enter_context(reserve_port(settings.host, settings.metrics_port, "--metrics-port"))
                )
            signals = stack.enter_context(catch_signals())
            gc.freeze()  # a worker's collections do not touch, and so not copy, what it shares with the parent
            Supervisor(settings, factory, folder, reserved, signals).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def create_folder() -> Path:
    """Create the folder of the workers' metrics. Raises CannotServe."""
    try:
        return Path(mkdtemp(prefix="cogitate-metrics-"))
    except OSError as error:
        raise CannotServe(f"--workers needs a writable folder for temporary files; set TMPDIR ({error})") from None


@contextmanager
def reserve_port(host: str, port: int, flag: str = "--port") -> Iterator[socket.socket]:
    """Bind a port that workers bind too, without listening. Raises CannotServe where another server has it."""
    with bind_socket(host, port, flag) as alone:
        address = alone.getsockname()
    with bind_socket(host, address[1], flag, is_shared=True) as shared:
        yield shared


@contextmanager
def catch_signals() -> Iterator[socket.socket]:
    """Yield a socket from which the numbers of arriving signals are read, a byte each."""
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    with reader, writer:
        handlers = {number: signal.signal(number, lambda *_: None) for number in STOP_SIGNALS}
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        try:
            yield reader
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in handlers.items():
                signal.signal(number, handler)


class Supervisor:
    """Runs the workers of one server."""

    def __init__(
        self,
        settings: Settings,
        factory: BackendFactory,
        folder: Path,
        reserved: list[socket.socket],
        signals: socket.socket,
    ) -> None:
        """`reserved`: the sockets of the port and, if there is one, of --metrics-port."""
        self._settings, self._factory, self._folder = settings, factory, folder
        self._reserved, self._signals = reserved, signals
        self._report = ProgressReporter(sys.stdout, settings.log_format)
        self._workers = [WorkerProcess(number) for number in range(1, settings.workers + 1)]
        self._lines = set[str]()
        """The workers' progress lines that were printed."""
        self._next_progress = time.monotonic() + PROGRESS_SECONDS
        self._is_ready = False
        """Whether all workers have served."""
        self._is_stopping = False
        self._kill_at: float | None = None
        self._last_turn = self._last_pause = time.monotonic()
        """When this process last looked at its workers, and when it was last suspended, perhaps together with them."""
        self._failure: CannotServe | None = None

    def run(self) -> None:
        """Start the workers, and return when they have ended. Raises CannotServe."""
        for worker in self._workers:
            self._start(worker)
        while any(worker.process or worker.restart_at is not None for worker in self._workers):
            self._wait()
            self._take_signals()
            for worker in self._workers:
                for report in worker.receive():
                    self._take_report(worker, report)
                if worker.has_ended():
                    self._take_end(worker)
            self._keep_time()
        if self._failure:
            raise self._failure

    def _start(self, worker: WorkerProcess) -> None:
        settings, workers = self._settings, self._settings.workers
        share = share_of(settings.max_generations, workers, worker.number)
        ports = [each.getsockname()[1] for each in self._reserved]
        assignment = Assignment(
            worker.number,
            settings.model_copy(update={"max_generations": share}),
            ports[0],
            ports[1] if len(ports) > 1 else None,
            self._folder,
            self._is_ready,
        )
        connections = [each.connection for each in self._workers if each.connection]
        worker.start(partial(_run, assignment, self._factory), [*connections, *self._reserved, self._signals])

    def _wait(self) -> None:
        """Wait for a report, a worker's end, a signal, or a time that is due."""
        objects: list[Connection | socket.socket | int] = [self._signals]
        for worker in self._workers:
            if worker.process and worker.connection:
                objects += [worker.process.sentinel, worker.connection]
        times = [worker.restart_at for worker in self._workers] + [self._kill_at]
        times += [] if self._is_ready else [self._next_progress]
        now = time.monotonic()
        left = min((each - now for each in times if each is not None), default=HEARTBEAT_SECONDS)
        wait(objects, min(HEARTBEAT_SECONDS, max(0.0, left)))

    def _take_signals(self) -> None:
        try:
            numbers = self._signals.recv(64)
        except BlockingIOError:
            return
        for number in numbers:
            if self._is_stopping:
                self._report("a second signal: requests in flight are aborted")
                self._send_to_all(Abort())
                self._kill_at = time.monotonic() + CLOSE_SECONDS
            else:
                self._stop(number)

    def _stop(self, number: int) -> None:
        """Stop all workers, as on this signal."""
        self._is_stopping = True
        for worker in self._workers:
            worker.restart_at = None
        self._send_to_all(Stop(number))
        linger = self._settings.linger_seconds if number == signal.SIGTERM else 0
        self._kill_at = time.monotonic() + linger + self._settings.drain_seconds + CLOSE_SECONDS

    def _send_to_all(self, order: Go | Stop | Abort) -> None:
        for worker in self._workers:
            worker.send(order)

    def _take_report(self, worker: WorkerProcess, report: Report) -> None:
        match report:
            case Progress(line) if not self._is_ready and line not in self._lines:
                self._lines.add(line)
                self._report(line)
            case Loaded() if self._is_ready:
                worker.send(Go())
            case Loaded() if all(each.name is not None for each in self._workers):
                self._send_to_all(Go())
        if not self._is_ready and all(each.is_serving for each in self._workers):
            self._is_ready = True
            self._announce(self._workers[0].name or "")

    def _announce(self, name: str) -> None:
        for probes in self._reserved[1:]:
            self._report(f"metrics on {build_url(probes)}/metrics")
        self._report(build_greeting(name, build_url(self._reserved[0])))

    def _take_end(self, worker: WorkerProcess) -> None:
        """Replace a worker that has ended, or stop where that is of no use."""
        status, process_id = worker.collect(), worker.process_id
        forget_worker(self._folder, worker.number)
        reason = worker.describe_end(status)
        if self._is_stopping:
            if status and not self._failure:
                self._failure = CannotServe(f"{reason} while the server was stopping")
        elif not self._is_ready:
            self._give_up(reason if worker.failure else f"{reason} before the server was ready", worker.failure)
        elif (delay := worker.schedule_restart()) is None:
            self._give_up(f"worker {worker.number} cannot start: {reason}", worker.failure)
        else:
            when = f"in {delay:g} s" if delay else "now"
            self._report(f"{reason} (process {process_id}); another one starts {when}")

    def _give_up(self, reason: str, failure: Failed | None) -> None:
        self._failure = CannotServe(reason, failure.exit_status if failure else 1)
        self._stop(signal.SIGTERM if self._is_ready else signal.SIGINT)

    def _keep_time(self) -> None:
        """Do what is due: progress lines, replacements, and the end of those that do not end by themselves."""
        now = time.monotonic()
        if now - self._last_turn > 2 * HEARTBEAT_SECONDS:
            self._last_pause = now
        self._last_turn = now
        if not self._is_ready and not self._is_stopping and now >= self._next_progress:
            self._report("still loading")
        if now >= self._next_progress:
            self._next_progress = now + PROGRESS_SECONDS
        for worker in self._workers:
            if worker.restart_at is not None and now >= worker.restart_at:
                self._start(worker)
            if self._kill_at is None:
                worker.kill_if_silent(since=self._last_pause)
            elif now >= self._kill_at:
                worker.kill()


def _run(assignment: Assignment, factory: BackendFactory, connection: Connection) -> None:
    run_worker(assignment, connection, factory)
