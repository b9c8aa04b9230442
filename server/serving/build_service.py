"""Builds the service that the settings describe: cache, peers and equivalence pool over a backend."""

import os

from cogitate.server.cache import open_cache, open_counters, open_peer_rpc
from cogitate.server.config.telemetry import Telemetry
from cogitate.server.engine import Backend
from cogitate.server.equivalence.pool import EquivalencePool
from cogitate.server.observability.metrics import Metrics
from cogitate.server.serving.service import Service
from cogitate.server.settings import Settings


def build_service(settings: Settings, backend: Backend, metrics: Metrics, telemetry: Telemetry) -> Service:
    """Raises ValueError or OSError for settings that cannot work."""
    count_fault = metrics.count_cache
    url, secret = settings.cache_url, settings.cache_secret
    cache = open_cache(url, ttl=settings.cache_ttl, max_bytes=settings.cache_bytes, on_fault=count_fault, secret=secret)
    rpc = open_peer_rpc(url, on_fault=count_fault, secret=secret)
    counters = open_counters(url if settings.api_keys_file else None, process=os.urandom(8).hex(), on_fault=count_fault)
    return Service(
        backend, cache, EquivalencePool(), settings, metrics, rpc=rpc, counters=counters, telemetry=telemetry
    )
