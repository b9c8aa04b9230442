"""Skywork-o1-Open-PRM as a vLLM model: Qwen2 with a value head at each token, `v_head.summary` in its checkpoint."""

from collections.abc import Iterable

import torch
from vllm.config import VllmConfig
from vllm.model_executor.layers.linear import ReplicatedLinear
from vllm.model_executor.models.interfaces_base import default_pooling_type
from vllm.model_executor.models.qwen2_rm import Qwen2ForRewardModel


@default_pooling_type(tok_pooling_type="ALL")
class Qwen2ForPrmModel(Qwen2ForRewardModel):  # type: ignore[misc]
    """The authors' `PRM_MODEL`: a linear map from the last hidden state, whose sigmoid is the step's score.

    Logits are [tokens, 1], in vLLM's head type. The dropout before the map is for training; `lm_head` is not used.
    """

    def __init__(self, *, vllm_config: VllmConfig, prefix: str = "") -> None:
        super().__init__(vllm_config=vllm_config, prefix=prefix)
        self.score = ReplicatedLinear(
            self.config.hidden_size, 1, params_dtype=self.head_dtype, return_bias=False, prefix=f"{prefix}.score"
        )

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]]) -> set[str]:
        """Map the checkpoint's tensor names to this class's."""
        renamed = ((name.replace("v_head.summary.", "score."), tensor) for name, tensor in weights)
        loaded: set[str] = super().load_weights(renamed)
        return loaded
