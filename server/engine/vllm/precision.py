"""The number format that a processor multiplies fast."""

from collections.abc import Mapping

import torch


def cpu_precision() -> Mapping[str, object]:
    """The engine argument for a CPU whose matrix product has no bfloat16: the model is loaded in float32 there.

    Without AVX-512 or AMX, oneDNN leaves a bfloat16 product to a plain loop. float32 takes twice the memory.
    """
    return {} if torch.ops.mkldnn._is_mkldnn_bf16_supported() else {"dtype": "float32"}
