"""Builds the parts of the server that the routes use, from settings, engine and cache."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from cogitate.server.auth.cache_salt import CacheSalts, NoSalts
from cogitate.server.auth.keys import DEFAULT_TENANT
from cogitate.server.auth.quotas import Quotas
from cogitate.server.cache import Cache, Counters, LocalCounters, NoPeers, PeerRpc
from cogitate.server.config.telemetry import Telemetry
from cogitate.server.engine import Backend, HasUpstreams, ModelCard
from cogitate.server.engine.fleet import Fleet
from cogitate.server.engine.watchdog import Watchdog
from cogitate.server.errors import NotReady, ShuttingDown
from cogitate.server.observability.metrics import Metrics
from cogitate.server.observability.server_state import ServerState
from cogitate.server.observability.trace_store import TraceStore
from cogitate.server.observability.tracing import open_tracing
from cogitate.server.sandbox import open_sandbox
from cogitate.server.serving.background_responses import BackgroundResponses
from cogitate.server.serving.dispatch import Dispatcher
from cogitate.server.serving.fair_queue import Slots
from cogitate.server.serving.idempotency import Idempotency
from cogitate.server.serving.jobs import Jobs
from cogitate.server.serving.peers import Peers
from cogitate.server.serving.relay import PlainRelay
from cogitate.server.serving.run_decision import DecisionRunner
from cogitate.server.serving.run_strategy import StrategyRunner
from cogitate.server.serving.sample_store import build_sample_store
from cogitate.server.serving.shared_responses import SharedResponses
from cogitate.server.serving.single_flight import SingleFlight
from cogitate.server.serving.trace_registry import WATCH, TraceRegistry
from cogitate.server.settings import Settings
from cogitate.strategies.core.ports import Prover, Verifier

if TYPE_CHECKING:
    from cogitate.server.observability.otel import Tracing


class ClosableProver(Prover, Protocol):
    """A prover with worker processes of its own."""

    async def close(self) -> None: ...


def build_salts(settings: Settings) -> Callable[[str], str]:
    """Return the function from a tenant to its salt. Without keys there is one tenant, which needs none."""
    if settings.api_keys_file is None:
        return NoSalts()
    secret = settings.cache_secret
    return CacheSalts(secret) if secret else CacheSalts()


class Service:
    """Owns the parts of the server that answer requests: opens and closes them."""

    def __init__(
        self,
        backend: Backend,
        cache: Cache,
        prover: ClosableProver,
        settings: Settings,
        metrics: Metrics,
        *,
        rpc: PeerRpc | None = None,
        counters: Counters | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        """Build the parts; `open` loads the engine.

        `rpc` calls other server processes, and `counters` counts in all of them; None: there are none. `telemetry`:
        what is traced; None: nothing.
        """
        self.backend, self.settings, self.metrics = backend, settings, metrics
        self.ready = False
        """Whether the engine is loaded and has not failed."""
        self.failure: str | None = None
        """The reason why the engine failed; None while it has not."""
        self.exit_status = 1
        """The process's exit status after a failure: 2 where a flag is wrong."""
        self.lingering = False
        """Whether the server is about to drain: requests are accepted, but the server is not ready."""
        self.telemetry = telemetry if telemetry and telemetry.is_on else None
        self.tracing: Tracing | None = None
        """Traces requests, once the engine is loaded; None: they are not traced."""
        self.jobs = Jobs(settings.max_concurrent_requests)
        self.slots = Slots(settings.max_generations or 1, settings.max_waiting_generations)
        self.watchdog = Watchdog(backend.progress_marker, settings.stall_seconds)
        self.peers = Peers(rpc or NoPeers(), self.jobs)
        self._cache, self._prover = cache, prover
        self._counters = counters or LocalCounters()
        self.quotas = Quotas(self._counters)
        self._build_parts()
        self._connect_metrics()
        self.verifiers: Mapping[str, Verifier] = {}
        """All verifiers by name, once the engine is loaded."""

    def _build_parts(self) -> None:
        """Build what answers requests, from the outermost part inwards."""
        backend, cache, settings, metrics = self.backend, self._cache, self.settings, self.metrics
        background = self.jobs.run_in_background
        flights = SingleFlight(cache, background, metrics.count_cache)
        store = TraceStore(cache if cache.shared else None, settings.cache_bytes, settings.cache_secret)
        self.traces = TraceRegistry(metrics, store, background, self.peers.call)
        self.peers.handlers[WATCH] = self.traces.show
        self.idempotency = Idempotency(flights, self.jobs, self.traces)
        shared = SharedResponses(cache, settings.cache_secret) if cache.shared else None
        self.responses = BackgroundResponses(self.peers, shared, settings.cache_bytes)
        salts = build_salts(settings)
        relay_salts = salts if settings.api_keys_file else None
        relay = PlainRelay(backend, self.jobs, self.slots, relay_salts, flights, self.traces, metrics)
        samples = build_sample_store(settings, cache, background)
        self.runner = StrategyRunner(backend, self._prover, self.jobs, self.slots, salts, flights, self.traces, samples)
        decisions = DecisionRunner(backend, self.jobs, self.slots, salts, flights, metrics)
        self.dispatcher = Dispatcher(
            cache, metrics, self.slots, self.traces, self.runner, relay, decisions, self.quotas
        )

    def _connect_metrics(self) -> None:
        self.metrics.state.read = self.read_state
        self.metrics.set_build(self.settings.engine)
        if self.settings.api_keys_file is None:
            self.metrics.create_tenant_series([DEFAULT_TENANT])

    async def open(
        self, before_ready: Callable[[], None] = lambda: None, join: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Test the sandbox and load the engine. Raises CannotStart, or an error of the engine's.

        `before_ready` is called once the engine is loaded, before any request is accepted; then `join` waits for other
        processes.
        """
        self.runner.programs = await open_sandbox(self.settings)
        await self.backend.open()
        self.verifiers = self.runner.verifiers
        self.slots.capacity = self.settings.max_generations or self.backend.card.capacity
        if self.telemetry:
            self.tracing = await open_tracing(self.telemetry, self.metrics, self.settings.engine)
        card = self.backend.card
        self.metrics.create_model_series([*card.names, *card.others])
        before_ready()
        if join:
            await join()
        self.ready = True

    def find_card(self, model: str) -> ModelCard:
        """Return the card of the model that a request names. Raises NotReady where it has not responded yet."""
        return self.backend.find_card(model) if isinstance(self.backend, Fleet) else self.backend.card

    def list_names(self) -> frozenset[str]:
        """Return every name of a model, without suffixes."""
        card = self.backend.card
        return frozenset((*card.names, *card.others))

    def check_ready(self) -> None:
        """Raises NotReady, or ShuttingDown while draining, where requests cannot be answered now."""
        if self.jobs.draining:
            raise self.jobs.drain_error
        if not self.ready:
            raise NotReady("The model is still loading.")
        if self.watchdog.stalled:
            raise NotReady("The engine generates no tokens: retry later.", code="engine_stalled")

    @property
    def is_available(self) -> bool:
        """Whether a load balancer may choose this server: its engine is loaded, and it is not shutting down."""
        return self.ready and not self.jobs.draining and not self.lingering

    def check_available(self) -> None:
        """Raises NotReady, or ShuttingDown from the first signal on, where no load balancer may choose this server."""
        if self.jobs.draining or self.lingering:
            raise self.jobs.drain_error
        if not self.ready:
            raise NotReady("The model is still loading.")

    def read_state(self) -> ServerState:
        """Return what the metrics tell of this moment."""
        load = self.backend.load()
        return ServerState(
            in_flight=len(self.jobs.live),
            running=load.running,
            waiting=load.waiting + self.slots.waiting,
            is_stalled=self.watchdog.stalled,
            is_ready=self.is_available and not self.watchdog.stalled,
            upstreams=self.backend.list_upstreams() if isinstance(self.backend, HasUpstreams) else (),
        )

    async def linger(self) -> None:
        """Is not ready for --linger-seconds, and accepts requests, so that load balancers can notice."""
        self.lingering = True
        await asyncio.sleep(self.settings.linger_seconds)

    async def close(self) -> None:
        """Drains the jobs, then closes every part."""
        await self.jobs.drain(0 if self.failure else self.settings.drain_seconds)
        if self.tracing:
            await self.tracing.close()
        await self.peers.rpc.close()
        await self._counters.close()
        await self._cache.close()
        await self._prover.close()
        await self.backend.close()

    def fail(self, reason: str, exit_status: int = 1) -> None:
        """End all jobs because the engine has died, or does not start."""
        self.failure, self.exit_status, self.ready = reason, exit_status, False
        self.jobs.abandon(ShuttingDown("The engine has stopped; the server is going down.", code="engine_dead"))
