"""Work-around for vLLM's V1 sampler: each row of a batch gets the log-probabilities that its own request asks for.

As soon as one row asks for labels (`logprob_token_ids`), vLLM 0.32 and 0.33 return the labels' columns for all rows:
the alternatives of every other request in the batch are token 0 at -inf (vllm #51789, open). Its V2 model runner treats
rows separately. `tests/real_engine/test_sampler_patch.py` fails when vLLM no longer needs this.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch.nn.functional import pad
from vllm.v1.outputs import LogprobsTensors
from vllm.v1.sample.sampler import Sampler

vllm_forward, vllm_gather = Sampler.forward, Sampler.gather_specific_token_logprobs
"""vLLM's own methods."""


def apply() -> None:
    """Patch the class. May be called repeatedly."""
    Sampler.forward, Sampler.gather_specific_token_logprobs = forward, gather_specific_token_logprobs


def remove() -> None:
    """Restore vLLM's own methods."""
    Sampler.forward, Sampler.gather_specific_token_logprobs = vllm_forward, vllm_gather


def forward(self: Any, logits: torch.Tensor, sampling_metadata: Any, **more: Any) -> Any:  # noqa: ANN401 vLLM's
    """Store the number of alternatives, which vLLM's `forward` does not pass on, and call it."""
    self.max_alternatives = sampling_metadata.max_num_logprobs
    return vllm_forward(self, logits=logits, sampling_metadata=sampling_metadata, **more)


def gather_specific_token_logprobs(
    self: Any,  # noqa: ANN401 vLLM's
    logprobs: torch.Tensor,
    label_ids: Mapping[int, list[int]],
    sampled: torch.Tensor,
) -> LogprobsTensors | None:
    """Return labels for the rows that ask for labels, and the likeliest tokens for the other rows.

    Args:
        logprobs: [rows, vocabulary].
        label_ids: Row -> its labels, for the rows that have some.
        sampled: The sampled token of each row, [rows].

    Returns:
        Ids and values, [rows, 1 + the larger of label and alternative count]; unused columns are token 0 at -inf.
    """
    labels = vllm_gather(self, logprobs, label_ids, sampled)
    alternatives = self.max_alternatives
    if labels is None or alternatives is None or alternatives < 1 or len(label_ids) == len(logprobs):
        return labels
    likeliest = self.gather_logprobs(logprobs, alternatives, token_ids=sampled)
    width = max(labels.logprobs.shape[1], 1 + alternatives)
    has_labels = torch.zeros(len(logprobs), 1, dtype=torch.bool)
    has_labels[list(label_ids)] = True
    has_labels = has_labels.to(logprobs.device, non_blocking=True)
    ids = (pad_columns(each.logprob_token_ids, width, 0) for each in (labels, likeliest))
    values = (pad_columns(each.logprobs, width, float("-inf")) for each in (labels, likeliest))
    return LogprobsTensors(
        torch.where(has_labels, *ids), torch.where(has_labels, *values), likeliest.selected_token_ranks
    )


def pad_columns(columns: torch.Tensor, width: int, value: float) -> torch.Tensor:
    """Append columns of `value` up to `width`."""
    return pad(columns, (0, width - columns.shape[1]), value=value)
