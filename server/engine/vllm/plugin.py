"""vLLM plugin (entry point group `vllm.general_plugins`): registers a model, patches the sampler, leaves a marker.

Each of vLLM's processes calls `register` before it looks up a model, so each of them pays for what it imports.
`plugin_check` reads the marker.
"""

SKYWORK_ARCHITECTURE = "Qwen2ForPrmModel"
MARKER = "cogitate_plugin"
"""Name of the worker method that answers RPCs in processes which have loaded this plugin."""


def register() -> None:
    """Register Skywork-o1-Open-PRM, unless another plugin has done so, and patch the sampler. May run repeatedly."""
    from vllm import ModelRegistry
    from vllm.v1.worker.worker_base import WorkerBase

    from cogitate.server.engine.vllm import sampler_patch

    sampler_patch.apply()
    if SKYWORK_ARCHITECTURE not in ModelRegistry.get_supported_archs():
        ModelRegistry.register_model(
            SKYWORK_ARCHITECTURE, f"cogitate.server.engine.reward.skywork:{SKYWORK_ARCHITECTURE}"
        )
    setattr(WorkerBase, MARKER, acknowledge)


def acknowledge(worker: object) -> bool:
    """Answer an RPC of `plugin_check.check_workers`."""
    return True
