"""A plugin of vLLM's (`vllm.general_plugins`): each of its processes calls `register` before it looks a model up.

It imports nothing heavy, for all of them pay for it.
"""

VALUE_HEAD = "Qwen2ForPrmModel"


def register() -> None:
    """Teaches vLLM Skywork-o1-Open-PRM, unless another plugin has done so."""
    from vllm import ModelRegistry

    if VALUE_HEAD not in ModelRegistry.get_supported_archs():
        ModelRegistry.register_model(VALUE_HEAD, f"server.engine.skywork:{VALUE_HEAD}")
