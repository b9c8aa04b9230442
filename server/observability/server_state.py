"""Metrics of the server's state, which is read when Prometheus asks: also where `/metrics` is vLLM's own route."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

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


@dataclass(eq=False)
class StateCollector(Collector):
    """`read`: returns the state."""

    read: Callable[[], ServerState] = ServerState

    def collect(self) -> Iterable[Metric]:
        state = self.read()
        for name, text, value in (
            ("requests_in_flight", "Requests being answered", state.in_flight),
            ("engine_running", "Sequences in the engine that do not wait: prefill and decode", state.running),
            ("engine_waiting", "Sequences waiting for a slot, or in the engine's queue", state.waiting),
            ("engine_stalled", "1 while a busy engine generates no tokens", state.is_stalled),
            ("ready", "1 while requests are accepted", state.is_ready),
        ):
            yield GaugeMetricFamily(f"cogitate_{name}", text, value)
        yield from collect_upstreams(state.upstreams)


def collect_upstreams(upstreams: Sequence[UpstreamState]) -> Iterable[Metric]:
    labels = ["upstream"]
    in_flight = GaugeMetricFamily("cogitate_upstream_in_flight", "Calls of an upstream in flight", labels=labels)
    ejected = GaugeMetricFamily("cogitate_upstream_ejected", "1 while an upstream gets no calls", labels=labels)
    ejections = CounterMetricFamily("cogitate_upstream_ejections", "Times an upstream was ejected", labels=labels)
    retries = CounterMetricFamily(
        "cogitate_upstream_retries", "Failed calls of an upstream that were sent to another one", labels=labels
    )
    for name in dict.fromkeys(each.name for each in upstreams):
        same = [each for each in upstreams if each.name == name]  # an operator may list one twice
        in_flight.add_metric([name], sum(each.in_flight for each in same))
        ejected.add_metric([name], any(each.is_ejected for each in same))
        ejections.add_metric([name], sum(each.ejections for each in same))
        retries.add_metric([name], sum(each.retries for each in same))
    return in_flight, ejected, ejections, retries
