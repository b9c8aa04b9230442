"""vLLM's V1 sampler, mended: each row of a batch has the log-probabilities that its own request asks for.

As soon as one row asks for labels (`logprob_token_ids`) vLLM 0.32 gives all rows the labels' columns: the alternatives
of every other request in the batch would be token 0 at -inf. Its V2 runner keeps rows apart by itself.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch.nn.functional import pad
from vllm.v1.outputs import LogprobsTensors
from vllm.v1.sample.sampler import Sampler

_forward, _gathered = Sampler.forward, Sampler.gather_specific_token_logprobs


def mend() -> None:
    """Once is enough, more do no harm."""
    Sampler.forward, Sampler.gather_specific_token_logprobs = forward, gathered


def forward(self: Any, logits: torch.Tensor, sampling_metadata: Any, **more: Any) -> Any:  # noqa: ANN401 vLLM's
    """As vLLM's, which does not tell `gathered` how many alternatives the other rows want."""
    self.alternatives = sampling_metadata.max_num_logprobs
    return _forward(self, logits=logits, sampling_metadata=sampling_metadata, **more)


def gathered(
    self: Any,  # noqa: ANN401 vLLM's
    logprobs: torch.Tensor,
    wanted: Mapping[int, list[int]],
    sampled: torch.Tensor,
) -> LogprobsTensors | None:
    """`logprobs` [rows, vocabulary]; `wanted`: the labels of the rows that ask for some; `sampled` [rows].

    The rows that ask for none have their likeliest tokens instead. Ids and values are [rows, 1 + the most of either].
    """
    labels = _gathered(self, logprobs, wanted, sampled)
    most = self.alternatives
    if labels is None or most is None or most < 1 or len(wanted) == len(logprobs):
        return labels
    likeliest = self.gather_logprobs(logprobs, most, token_ids=sampled)
    width = max(labels.logprobs.shape[1], 1 + most)
    asked = torch.zeros(len(logprobs), 1, dtype=torch.bool)
    asked[list(wanted)] = True
    asked = asked.to(logprobs.device, non_blocking=True)
    return LogprobsTensors(
        torch.where(asked, widened(labels.logprob_token_ids, width, 0), widened(likeliest.logprob_token_ids, width, 0)),
        torch.where(asked, widened(labels.logprobs, width, NOTHING), widened(likeliest.logprobs, width, NOTHING)),
        likeliest.selected_token_ranks,
    )


NOTHING = float("-inf")


def widened(columns: torch.Tensor, width: int, filling: float) -> torch.Tensor:
    return pad(columns, (0, width - columns.shape[1]), value=filling)
