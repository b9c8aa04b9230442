"""Builds the backend that the settings select, without opening it."""

from collections.abc import Callable, Sequence
from pathlib import Path

from cogitate.server.config.telemetry import Telemetry
from cogitate.server.config.upstreams import group_by_name, split_name
from cogitate.server.engine import Backend, CannotStart
from cogitate.server.engine.demo_model import DemoModelError, prepare_demo_model
from cogitate.server.engine.fleet import ApplicationFleet, Fleet
from cogitate.server.engine.remote import RemoteBackend, Timeouts, UpstreamConfig
from cogitate.server.engine.vllm import VllmBackend, env
from cogitate.server.settings import Settings, user_cache

Report = Callable[[str], None]
"""Prints a line of progress."""


def build_backend(settings: Settings, report: Report) -> Backend:
    """Build a backend; prepare the demo model if it is needed. Raises CannotStart."""
    if settings.engine == "openai":
        report("waiting for an upstream")
        remote = build_remote_backends(settings)
        return Fleet(remote) if len(remote) > 1 else next(iter(remote.values()))
    backend = build_vllm_backend(settings, report)
    report(f"loading {backend.name}")
    if not settings.upstream:
        return backend
    remote = build_remote_backends(settings)
    if backend.name in remote:
        raise CannotStart(f"--upstream {backend.name}=URL has the name of the model in this process: choose another")
    return ApplicationFleet({backend.name: backend, **remote})


def build_remote_backends(settings: Settings) -> dict[str, RemoteBackend]:
    """Build a backend for each name of upstreams. Raises CannotStart for a URL or key that cannot be used."""
    groups = group_by_name(settings.upstream)
    return {name: build_remote_backend(settings, name, places) for name, places in groups.items()}


def build_remote_backend(settings: Settings, name: str = "", places: Sequence[int] | None = None) -> RemoteBackend:
    """Build a backend over the upstreams at these places, or all: replicas of the model `name`, if that is given."""
    places = range(len(settings.upstream)) if places is None else places
    keys = settings.upstream_keys
    upstreams = [UpstreamConfig(split_name(settings.upstream[at])[1], keys[at]) for at in places]
    for upstream in upstreams:
        upstream.validate()
    timeouts = Timeouts(
        total=settings.upstream_timeout,
        idle=settings.upstream_idle_timeout,
        connect=settings.upstream_connect_timeout,
    )
    abilities = settings.upstream_abilities
    if not name:
        return RemoteBackend(upstreams, settings.model, settings.client_name, timeouts, abilities)
    own = settings.model if settings.engine == "openai" else None
    return RemoteBackend(upstreams, own, name, timeouts, abilities)


def build_vllm_backend(settings: Settings, report: Report) -> VllmBackend:
    """Build a backend over vLLM in this process, after setting its environment variables. Raises CannotStart."""
    model, name = resolve_model(settings, report)
    return VllmBackend(
        model,
        name,
        {**env.trace_engine(Telemetry(), settings.engine_args), **settings.engine_args},
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
