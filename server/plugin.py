"""vLLM's plugin (`vllm.general_plugins`): each of its processes calls `register` as it starts, and looks models up after.

It imports nothing heavy, for processes that need none of it start it too.
"""

VALUE_HEAD = "Qwen2ForPrmModel"


def register() -> None:
    """Skywork-o1-Open-PRM, which vLLM does not know. Where another plugin teaches it that, that one is left in place."""
    from vllm import ModelRegistry

    if VALUE_HEAD not in ModelRegistry.get_supported_archs():
        ModelRegistry.register_model(VALUE_HEAD, f"server.engine.skywork:{VALUE_HEAD}")
