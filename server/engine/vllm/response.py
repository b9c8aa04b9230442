"""Builds response bodies with vLLM's own writers, given completions as if they had been the request's only samples."""

from collections.abc import AsyncIterator, Sequence

from vllm.entrypoints.generate.base.protocol import RequestResponseMetadata
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.entrypoints.openai.completion.protocol import CompletionRequest
from vllm.entrypoints.serve.engine.protocol import ErrorResponse
from vllm.logprobs import Logprob
from vllm.outputs import CompletionOutput, RequestOutput
from vllm.utils import random_uuid

from cogitate.server.engine import Body
from cogitate.server.engine.vllm.application import LoadedEngine
from cogitate.server.engine.vllm.errors import parse_error_response
from cogitate.server.engine.vllm.output_parser import build_parser
from cogitate.server.engine.vllm.render import RenderedPrompt
from cogitate.server.protocol.json import unix_time
from cogitate.strategies.core.logprobs import TokenLogprob
from cogitate.strategies.core.types import Completion


async def build_response(
    loaded: LoadedEngine, model: str, rendered: RenderedPrompt, completions: Sequence[Completion]
) -> Body:
    """Build a chat.completion or text_completion with the completions as its choices. Raises ApiError."""
    output = _to_request_output(random_uuid(), rendered, completions)
    if isinstance(rendered.request, CompletionRequest):
        return _build_completion(loaded, model, rendered.request, output)
    return await _build_chat_completion(loaded, model, rendered.request, output)


async def _build_chat_completion(
    loaded: LoadedEngine, model: str, request: ChatCompletionRequest, output: RequestOutput
) -> Body:
    serving = loaded.state.openai_serving_chat
    response = await serving.chat_completion_full_generator(
        request,
        _iterate(output),
        output.request_id,
        model,
        [],
        serving.renderer.tokenizer,
        RequestResponseMetadata(request_id=output.request_id),
        build_parser(loaded, request),
    )
    if isinstance(response, ErrorResponse):
        raise parse_error_response(response)
    return dict(response.model_dump())


def _build_completion(loaded: LoadedEngine, model: str, request: CompletionRequest, output: RequestOutput) -> Body:
    serving = loaded.state.openai_serving_completion
    metadata = RequestResponseMetadata(request_id=output.request_id)
    response = serving.request_output_to_completion_response(
        [output], request, output.request_id, unix_time(), model, serving.renderer.tokenizer, metadata
    )
    return dict(response.model_dump())


async def _iterate(output: RequestOutput) -> AsyncIterator[RequestOutput]:
    yield output


def _to_request_output(request_id: str, rendered: RenderedPrompt, completions: Sequence[Completion]) -> RequestOutput:
    outputs = [
        CompletionOutput(
            index=index,
            text=completion.text,
            token_ids=list(completion.token_ids),
            cumulative_logprob=None,
            logprobs=[_to_position(token) for token in completion.logprobs],
            finish_reason="length" if completion.ends_early else completion.finish,
            stop_reason=completion.stopped_by,
        )
        for index, completion in enumerate(completions)
    ]
    return RequestOutput(request_id, None, rendered.ids, None, outputs, finished=True)


def _to_position(token: TokenLogprob) -> dict[int, Logprob]:
    """Convert to vLLM's form: the alternatives in order of rank, and the chosen token wherever it ranks."""
    chosen = {token.id: Logprob(token.logprob, decoded_token=token.text)}
    return chosen | {
        alternative.id: Logprob(alternative.logprob, rank=rank, decoded_token=alternative.text)
        for rank, alternative in enumerate(token.top, start=1)
    }
