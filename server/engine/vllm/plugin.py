"""A plugin of vLLM's (`vllm.general_plugins`): each of its processes calls `register` before it looks a model up.

All of them pay for what it imports.
"""

VALUE_HEAD = "Qwen2ForPrmModel"


def register() -> None:
    """Teaches vLLM Skywork-o1-Open-PRM, unless another plugin has done so, and mends its sampler."""
    from vllm import ModelRegistry

    from cogitate.server.engine.vllm import sampler_patch

    sampler_patch.mend()

    if VALUE_HEAD not in ModelRegistry.get_supported_archs():
        ModelRegistry.register_model(VALUE_HEAD, f"cogitate.server.engine.reward.skywork:{VALUE_HEAD}")
