"""Metrics of the server's state, which is read when Prometheus asks: also where `/metrics` is vLLM's own route."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cogitate.server.engine import UpstreamState


@dataclass(frozen=True, slots=True)
class ServerState:
    """What the server does at one moment."""

    in_flight: int = 0
    running: int = 0
    waiting: int = 0
    is_stalled: bool = False
    is_ready: bool = False
    upstreams: Sequence[UpstreamState] = ()


@dataclass(frozen=True, slots=True)
class StateGauge:
    """A gauge of the state."""

    name: str
    text: str
    mode: Literal["livesum", "livemax"]
    """How the values of several processes become one."""
    read: Callable[[ServerState], float]


@dataclass(frozen=True, slots=True)
class UpstreamFamily:
    """A family with a series for each upstream. `mode`: as a gauge has; None: it is a counter."""

    name: str
    text: str
    mode: Literal["livesum", "livemax"] | None
    read: Callable[[Sequence[UpstreamState]], float]
    """Reads it from the upstreams of one name: an operator may list one twice."""


GAUGES = (
    StateGauge("requests_in_flight", "Requests being answered", "livesum", lambda state: state.in_flight),
    StateGauge(
        "engine_running",
        "Sequences in the engine that do not wait: prefill and decode",
        "livesum",
        lambda state: state.running,
    ),
    StateGauge(
        "engine_waiting",
        "Sequences waiting for a slot, or in the engine's queue",
        "livesum",
        lambda state: state.waiting,
    ),
    StateGauge(
        "engine_stalled", "1 while a busy engine generates no tokens", "livemax", lambda state: state.is_stalled
    ),
    StateGauge("ready", "1 while requests are accepted", "livemax", lambda state: state.is_ready),
)
UPSTREAM_FAMILIES = (
    UpstreamFamily(
        "upstream_in_flight",
        "Calls of an upstream in flight",
        "livesum",
        lambda same: sum(each.in_flight for each in same),
    ),
    UpstreamFamily(
        "upstream_ejected",
        "1 while an upstream gets no calls",
        "livemax",
        lambda same: any(each.is_ejected for each in same),
    ),
    UpstreamFamily(
        "upstream_ejections", "Times an upstream was ejected", None, lambda same: sum(each.ejections for each in same)
    ),
    UpstreamFamily(
        "upstream_retries",
        "Failed calls of an upstream that were sent to another one",
        None,
        lambda same: sum(each.retries for each in same),
    ),
)


@dataclass(eq=False)
class StateCollector(Collector):
    """`read`: returns the state."""

    read: Callable[[], ServerState] = ServerState

    def collect(self) -> Iterable[Metric]:
        state = self.read()
        for gauge in GAUGES:
            yield GaugeMetricFamily(f"cogitate_{gauge.name}", gauge.text, gauge.read(state))
        groups = group_by_name(state.upstreams)
        for family in UPSTREAM_FAMILIES:
            kind = GaugeMetricFamily if family.mode else CounterMetricFamily
            metric = kind(f"cogitate_{family.name}", family.text, labels=["upstream"])
            for name, same in groups.items():
                metric.add_metric([name], family.read(same))
            yield metric


def group_by_name(upstreams: Sequence[UpstreamState]) -> dict[str, list[UpstreamState]]:
    names = dict.fromkeys(each.name for each in upstreams)
    return {name: [each for each in upstreams if each.name == name] for name in names}
