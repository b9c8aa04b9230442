"""Refuses to start where vLLM's processes have not loaded our plugin.

vLLM skips a plugin that is filtered out, not installed or not importable, with at most a line in its log. Its engine
would then answer with wrong log-probabilities (`sampler_patch`) or not know a reward model's class. So both this
process and every worker of an engine are asked for the marker that the plugin leaves in `WorkerBase`.
"""

import asyncio
from importlib.metadata import entry_points
from pathlib import Path

from vllm import envs
from vllm.plugins import DEFAULT_PLUGINS_GROUP, load_general_plugins
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.exceptions import EngineDeadError
from vllm.v1.worker.worker_base import WorkerBase

from cogitate.server.engine.base import CannotStart
from cogitate.server.engine.vllm.plugin import MARKER

PLUGIN = "cogitate"
"""Name of our entry point, as in VLLM_PLUGINS."""
RPC_TIMEOUT_SECONDS = 60.0
SHUTDOWN_SECONDS = 15.0


def check_this_process() -> None:
    """Load vLLM's plugins here, before any weights. Raises CannotStart if ours is not among them."""
    load_general_plugins()
    if MARKER not in vars(WorkerBase):
        raise CannotStart(explain_missing_plugin("this process"))


async def check_workers(llm: AsyncLLM) -> None:
    """Ask every worker of an engine. Raises CannotStart if one has not loaded our plugin, after stopping the engine."""
    try:
        await llm.collective_rpc(MARKER, timeout=RPC_TIMEOUT_SECONDS)
    except EngineDeadError:
        raise
    except Exception as error:
        await asyncio.to_thread(llm.shutdown, SHUTDOWN_SECONDS)
        raise CannotStart(explain_missing_plugin("the engine's process")) from error


def explain_missing_plugin(process: str) -> str:
    """Return cause and remedy in one line."""
    return f"vLLM did not load the plugin {PLUGIN!r} in {process}: {find_cause()}"


def find_cause() -> str:
    """Return why vLLM skipped the plugin, and what to do about it."""
    allowed = envs.VLLM_PLUGINS
    if allowed is not None and PLUGIN not in allowed:
        return f"VLLM_PLUGINS={','.join(allowed)} excludes it; add {PLUGIN} to VLLM_PLUGINS or unset it"
    if PLUGIN not in entry_points(group=DEFAULT_PLUGINS_GROUP).names:
        return f"the installed metadata of {PLUGIN} does not list it; install the package again with pip"
    folder = Path.cwd() / PLUGIN
    if folder.is_dir():
        return f"the folder {folder} hides the installed package; start the server in another directory"
    return "its import failed; the engine's log has the exception after 'Failed to load plugin'"
