"""Builds the backend that the settings select, without opening it."""

from collections.abc import Callable
from pathlib import Path

from cogitate.server.engine import Backend, CannotStart
from cogitate.server.engine.demo_model import DemoModelError, prepare_demo_model
from cogitate.server.engine.remote import RemoteBackend, Timeouts, UpstreamConfig
from cogitate.server.engine.vllm import VllmBackend, env
from cogitate.server.settings import Settings, user_cache

Report = Callable[[str], None]
"""Prints a line of progress."""


def build_backend(settings: Settings, report: Report) -> Backend:
    """Build a backend; prepare the demo model if it is needed. Raises CannotStart."""
    if settings.engine == "openai":
        report("waiting for an upstream")
        return build_remote_backend(settings)
    backend = build_vllm_backend(settings, report)
    report(f"loading {backend.name}")
    return backend


def build_remote_backend(settings: Settings) -> RemoteBackend:
    """Build a backend over upstream replicas. Raises CannotStart for a URL or key that cannot be used."""
    keys = settings.upstream_keys
    upstreams = [UpstreamConfig(url, key) for url, key in zip(settings.upstream, keys, strict=True)]
    for upstream in upstreams:
        upstream.validate()
    timeouts = Timeouts(
        total=settings.upstream_timeout,
        idle=settings.upstream_idle_timeout,
        connect=settings.upstream_connect_timeout,
    )
    return RemoteBackend(upstreams, settings.model, settings.client_name, timeouts, settings.upstream_abilities)


def build_vllm_backend(settings: Settings, report: Report) -> VllmBackend:
    """Build a backend over vLLM in this process, after setting its environment variables. Raises CannotStart."""
    model, name = resolve_model(settings, report)
    return VllmBackend(
        model,
        name,
        settings.engine_args,
        settings.reward_model,
        settings.reward_engine_args,
        settings.reward_format,
        settings.served_model_name[1:],
    )


def resolve_model(settings: Settings, report: Report) -> tuple[str, str]:
    """Return the model's folder or id, and the name that clients use. Raises CannotStart."""
    env.prepare(demo=settings.model is None)
    if settings.model is None:
        try:
            folder = prepare_demo_model(report, user_cache())
        except DemoModelError as error:
            raise CannotStart(str(error)) from None
        return str(folder), settings.client_name or env.DEMO_MODEL_NAME
    path = Path(settings.model).expanduser()
    looks_local = settings.model.startswith((".", "/", "~")) or settings.model.count("/") > 1
    if (looks_local or Path(settings.model).exists()) and not (path / "config.json").is_file():
        raise CannotStart(f"{settings.model} is not a model folder: it has no config.json")
    return str(path) if path.exists() else settings.model, settings.client_name or settings.model
