"""Builds vLLM's SamplingParams from the client's fields and what a strategy decides."""

from collections.abc import Sequence
from typing import Any

from vllm import SamplingParams
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.entrypoints.serve.utils.api_utils import get_max_tokens

from cogitate.server.engine.vllm.application import LoadedEngine
from cogitate.server.engine.vllm.render import VllmRequest
from cogitate.strategies.core.types import Sampling


def build_sampling_params(
    loaded: LoadedEngine, request: VllmRequest, prompt_tokens: int, sampling: Sampling, *, stream: bool
) -> SamplingParams:
    """Merge `sampling` into the client's request; an auxiliary sample has none of the client's fields.

    `stream`: the engine returns each new output, not only the final one.
    """
    if sampling.auxiliary:
        request = ChatCompletionRequest(messages=[])
    update: dict[str, Any] = {"n": 1, "stream": stream, "seed": sampling.seed}
    if sampling.temperature is not None:
        update["temperature"] = sampling.temperature
    if sampling.stop:
        update["stop"] = [*_to_list(request.stop), *sampling.stop]
        update["include_stop_str_in_output"] = True
    if sampling.until:
        update["stop_token_ids"] = [*(request.stop_token_ids or ()), *encode_single(loaded, sampling.until)]
    serving = loaded.state.openai_serving_chat
    limit = get_max_tokens(
        loaded.llm.model_config.max_model_len,
        sampling.max_tokens,
        prompt_tokens,
        serving.default_sampling_params,
        serving.override_max_tokens,
    )
    update["min_tokens"] = min(request.min_tokens, limit)
    params = request.model_copy(update=update).to_sampling_params(limit, serving.default_sampling_params)
    params.logprobs = sampling.logprobs
    if sampling.labels:
        params.logprob_token_ids = [token for label in sampling.labels for token in encode_single(loaded, label)]
        params.logprobs = len(params.logprob_token_ids)
    # Columns rather than a dictionary per token: millions of objects would make every garbage collection a long pause.
    params.flat_logprobs = True
    return params


def encode_single(loaded: LoadedEngine, text: str) -> list[int]:
    """Return the token of a text that is one token; an empty list for any other text."""
    ids = loaded.llm.get_tokenizer().encode(text, add_special_tokens=False)
    return ids if len(ids) == 1 else []


def _to_list(stop: str | Sequence[str] | None) -> list[str]:
    return [stop] if isinstance(stop, str) else list(stop or ())
