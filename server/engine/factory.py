"""Settings -> the backend they ask for, not yet opened."""

from collections.abc import Callable
from pathlib import Path

from cogitate.server.engine import Backend, CannotStart
from cogitate.server.engine.demo_model import DemoModelError, demo_model
from cogitate.server.engine.remote import Patience, RemoteBackend, Upstream
from cogitate.server.engine.vllm import VllmBackend, env
from cogitate.server.settings import Settings, user_cache


def chosen_backend(settings: Settings, say: Callable[[str], None]) -> Backend:
    """Raises CannotStart."""
    if settings.engine == "openai":
        say("waiting for an upstream")
        return remote(settings)
    backend = local(settings, say)
    say(f"loading {backend.name}")
    return backend


def remote(settings: Settings) -> RemoteBackend:
    """Replicas elsewhere. Keys are the environment's: one for all of them, or one for each, in order."""
    keys = settings.upstream_keys
    upstreams = [Upstream(url, key) for url, key in zip(settings.upstream, keys, strict=True)]
    for upstream in upstreams:
        upstream.check()
    patience = Patience(
        total=settings.upstream_timeout,
        idle=settings.upstream_idle_timeout,
        connect=settings.upstream_connect_timeout,
    )
    able = settings.upstream_abilities
    return RemoteBackend(upstreams, settings.model, settings.served_model_name, patience, able)


def local(settings: Settings, say: Callable[[str], None]) -> VllmBackend:
    """vLLM in this process."""
    model, name = chosen_model(settings, say)
    return VllmBackend(
        model, name, settings.engine_args, settings.reward_model, settings.reward_engine_args, settings.reward_format
    )


def chosen_model(settings: Settings, say: Callable[[str], None]) -> tuple[str, str]:
    """The model's folder or id, and the name clients use."""
    env.prepare(demo=settings.model is None)
    if settings.model is None:
        try:
            return str(demo_model(say, user_cache())), settings.served_model_name or env.DEMO_NAME
        except DemoModelError as error:
            raise CannotStart(str(error)) from None
    folder = Path(settings.model)
    looks_local = settings.model.startswith((".", "/", "~")) or settings.model.count("/") > 1
    if (looks_local or folder.exists()) and not (folder.expanduser() / "config.json").is_file():
        raise CannotStart(f"{settings.model} is no model folder: it has no config.json")
    model = str(folder.expanduser()) if folder.expanduser().exists() else settings.model
    return model, settings.served_model_name or settings.model
