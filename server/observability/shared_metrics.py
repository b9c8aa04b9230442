"""Metrics of several worker processes, each of which answers `/metrics` for all of them.

prometheus_client's multiprocess mode: each worker counts in mapped files of a folder, and whoever is asked adds them
up. The files are named by the worker's number, so that a worker that takes the place of one that has died counts on,
and no counter goes back. Gauges of the state are written every PUBLISH_SECONDS, and disappear with their process.

`process_*` has a label `worker`. `python_*` is left out: it is of one process.
"""

import struct
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, generate_latest, values
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from cogitate.server.observability.server_state import GAUGES, UPSTREAM_FAMILIES, ServerState, group_by_name
from cogitate.server.settings import share_metrics

PUBLISH_SECONDS = 1.0
"""Age at most of what another worker's gauges tell."""
ATTEMPTS = 5
"""To read the files: one that a worker is just creating is empty."""


class SharedMetrics:
    """This worker's part of the metrics. Create it before any other metric of this process."""

    def __init__(self, folder: Path, number: int, pid: int) -> None:
        """`number`: of the worker, which no other running worker has."""
        self._folder = folder
        share_metrics(folder)
        values.ValueClass = values.MultiProcessValue(lambda: number)  # type: ignore[no-untyped-call]
        _pid_file(folder, number).write_text(str(pid))
        create = partial(Gauge, registry=CollectorRegistry())
        self._gauges = [create(f"cogitate_{each.name}", each.text, multiprocess_mode=each.mode) for each in GAUGES]
        self._upstreams = _create_upstream_families()
        self._upstream_names = set[str]()
        self._counted: dict[tuple[str, str], float] = {}
        """What was added to the counters of upstreams, by family and upstream."""

    def publish(self, state: ServerState) -> None:
        """Write the gauges of this worker."""
        for gauge, written in zip(GAUGES, self._gauges, strict=True):
            written.set(gauge.read(state))
        groups = group_by_name(state.upstreams)
        for name in self._upstream_names - groups.keys():
            groups[name] = []  # its address is gone
        self._upstream_names = set(groups)
        for name, same in groups.items():
            for family, series in zip(UPSTREAM_FAMILIES, self._upstreams, strict=True):
                value = family.read(same)
                if isinstance(series, Gauge):
                    series.labels(name).set(value)
                else:
                    self._count_up_to(value, series, family.name, name)

    def _count_up_to(self, value: float, series: Counter, family: str, name: str) -> None:
        counted = self._counted.get((family, name), 0)
        series.labels(name).inc(value - counted if value >= counted else value)  # it may begin again
        self._counted[family, name] = value

    def exposition(self) -> bytes:
        """Return the metrics of all workers in Prometheus's text format. Takes tens of milliseconds."""
        for attempt in range(ATTEMPTS):
            registry = CollectorRegistry()
            MultiProcessCollector(registry, str(self._folder))  # type: ignore[no-untyped-call]
            registry.register(WorkerProcesses(self._folder))
            try:
                return generate_latest(registry)
            except (struct.error, RuntimeError, OSError):
                if attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError


def _create_upstream_families() -> list[Gauge | Counter]:
    registry = CollectorRegistry()
    return [
        Gauge(f"cogitate_{each.name}", each.text, ["upstream"], registry=registry, multiprocess_mode=each.mode)
        if each.mode
        else Counter(f"cogitate_{each.name}", each.text, ["upstream"], registry=registry)
        for each in UPSTREAM_FAMILIES
    ]


class WorkerProcesses(Collector):
    """prometheus_client's `process_*`, of every worker."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for file in sorted(self._folder.glob("*.pid")):
            pid = file.read_text()
            for family in ProcessCollector(pid=lambda: pid, registry=None).collect():  # noqa: B023 called here
                merged = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                label = {"worker": file.stem}
                merged.samples += [sample._replace(labels=sample.labels | label) for sample in family.samples]
        return families.values()


def forget_worker(folder: Path, number: int) -> None:
    """Drop the gauges of a worker that has ended. What it counted stays."""
    mark_process_dead(number, str(folder))  # type: ignore[no-untyped-call]
    _pid_file(folder, number).unlink(missing_ok=True)


def _pid_file(folder: Path, number: int) -> Path:
    return folder / f"{number}.pid"
