"""What our plugin teaches vLLM. That its engine learns it is shown by the scores of `test_reward_families.py`."""

import pytest

from cogitate.server.engine.vllm import plugin

pytestmark = pytest.mark.engine
THEIRS = "vllm.model_executor.models.qwen2_rm:Qwen2ForRewardModel"


def test_what_another_plugin_has_taught_stays() -> None:
    from vllm import ModelRegistry

    ModelRegistry.register_model(plugin.VALUE_HEAD, THEIRS)
    taught = ModelRegistry.models[plugin.VALUE_HEAD]
    plugin.register()
    assert ModelRegistry.models[plugin.VALUE_HEAD] is taught
    del ModelRegistry.models[plugin.VALUE_HEAD]
    plugin.register()
    assert ModelRegistry.models[plugin.VALUE_HEAD].module_name == "cogitate.server.engine.reward.skywork"
