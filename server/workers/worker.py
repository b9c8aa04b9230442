"""One worker process: a server that takes its orders from the parent, and ends with it."""

import asyncio
import logging
import os
import shutil
import signal
import socket
import sys
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType

import uvloop

from cogitate.server.app import create_app, create_probe_app
from cogitate.server.http.runtime import tune_runtime
from cogitate.server.http.server import DrainingServer
from cogitate.server.launcher import BackendFactory, CannotServe, bind_socket, open_service
from cogitate.server.observability.logs import configure_log
from cogitate.server.observability.metrics import Metrics
from cogitate.server.observability.shared_metrics import PUBLISH_SECONDS, SharedMetrics
from cogitate.server.serving.service import Service
from cogitate.server.settings import Settings
from cogitate.server.workers.messages import (
    HEARTBEAT_SECONDS,
    Abort,
    Alive,
    Failed,
    Go,
    Loaded,
    Order,
    Progress,
    Serving,
    Stop,
    can_send,
    send_report,
)


@dataclass(frozen=True, slots=True)
class Assignment:
    """What one worker is to do."""

    number: int
    """From 1 on. A worker that takes the place of another has its number."""
    settings: Settings
    port: int
    metrics_port: int | None
    folder: Path
    """Of the shared metrics."""
    is_replacement: bool
    """Whether other workers serve: it listens once it is loaded. Otherwise it does at once, for liveness probes."""


def run_worker(assignment: Assignment, connection: Connection, factory: BackendFactory) -> None:
    """Run in a process of its own until the parent says to stop, or ends. Exits with the server's status."""
    status = 0
    try:
        uvloop.run(serve(assignment, connection, factory))
    except CannotServe as error:
        send_report(connection, Failed(str(error), error.exit_status))
        status = error.exit_status
    finally:
        logging.shutdown()
    sys.exit(status)


async def serve(assignment: Assignment, connection: Connection, factory: BackendFactory) -> None:
    """Run the server. Raises CannotServe."""
    settings = assignment.settings
    listeners = [bind_socket(settings.host, assignment.port, is_shared=True)]
    if assignment.metrics_port is not None:
        listeners.append(bind_socket(settings.host, assignment.metrics_port, "--metrics-port", is_shared=True))
    configure_log(sys.stderr.fileno(), settings.log_level, settings.log_format, shows_pid=True)
    metrics = Metrics(shared=SharedMetrics(assignment.folder, assignment.number, os.getpid()))

    def report(line: str) -> None:
        send_report(connection, Progress(line))

    service = open_service(settings, report, factory, metrics)
    await Worker(service, listeners, connection, assignment).run()
    if service.failure:
        raise CannotServe(service.failure, service.exit_status)


class WorkerServer(DrainingServer):
    """A server whose parent decides when requests are aborted.

    A service manager may signal all processes, also after the parent's order: such a second signal changes nothing.
    """

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.begin_drain(sig)

    def stop_listening(self) -> None:
        """Accept no more connections, and free the ports."""
        for each in self.servers:
            each.close()


class Worker:
    """Connects a server with the parent's orders."""

    def __init__(
        self, service: Service, listeners: list[socket.socket], connection: Connection, assignment: Assignment
    ) -> None:
        """`listeners`: for clients and, if there is one, for --metrics-port."""
        self._service, self._connection, self._assignment = service, connection, assignment
        self._listeners = listeners
        self._go = asyncio.Event()
        self._is_orphan = False
        app = create_app(service, on_ready=self._announce, on_death=lambda _: self._server.stop(), join=self._join)
        drain, abort = partial(service.jobs.drain, service.settings.drain_seconds), service.jobs.abort
        self._server = WorkerServer(app, drain, abort, service.linger)

    async def run(self) -> None:
        """Serve until an order to stop, a signal, the parent's end or the engine's failure."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._connection.fileno(), self._take_order)
        tasks = [asyncio.create_task(self._publish_state()), asyncio.create_task(self._beat())]
        listens = not self._assignment.is_replacement
        if listens:
            for listener in self._listeners[1:]:
                self._server.serve_also(create_probe_app(self._service), listener)
        try:
            await self._server.serve(sockets=self._listeners[:1] if listens else [])
        finally:
            for task in tasks:
                task.cancel()
            loop.remove_reader(self._connection.fileno())
            if self._is_orphan:
                shutil.rmtree(self._assignment.folder, ignore_errors=True)

    async def _join(self) -> None:
        """Wait until all workers are loaded, so that whichever gets a request can answer it."""
        send_report(self._connection, Loaded(self._service.backend.card.name))
        await self._go.wait()
        if self._assignment.is_replacement:
            await self._server.listen(self._listeners[0])
            for listener in self._listeners[1:]:
                await self._server.listen_also(create_probe_app(self._service), listener)

    def _announce(self) -> None:
        self._service.metrics.publish_state()
        tune_runtime()
        send_report(self._connection, Serving())

    async def _publish_state(self) -> None:
        while True:
            self._service.metrics.publish_state()
            await asyncio.sleep(PUBLISH_SECONDS)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            if can_send(self._connection):
                send_report(self._connection, Alive())

    def _take_order(self) -> None:
        try:
            order: Order = self._connection.recv()
        except (EOFError, OSError):
            self._end_alone()
            return
        match order:
            case Go():
                self._go.set()
            case Stop():
                self._server.begin_drain(order.signal)
            case Abort():
                self._server.abort()

    def _end_alone(self) -> None:
        """Free the ports for a next server, and finish what is in flight: the parent was killed."""
        asyncio.get_running_loop().remove_reader(self._connection.fileno())
        self._is_orphan = True
        self._server.stop_listening()
        for listener in self._listeners:
            listener.close()
        self._server.begin_drain(signal.SIGINT)
