"""vLLM's own response writers, given the winners as if they had been the only samples."""

import time
from collections.abc import AsyncIterator, Sequence

from vllm.entrypoints.generate.base.protocol import RequestResponseMetadata
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.entrypoints.openai.completion.protocol import CompletionRequest
from vllm.entrypoints.serve.engine.protocol import ErrorResponse
from vllm.logprobs import Logprob
from vllm.outputs import CompletionOutput, RequestOutput
from vllm.utils import random_uuid

from cogitate.server.engine import Body
from cogitate.server.engine.vllm.errors import refused
from cogitate.server.engine.vllm.load import Loaded
from cogitate.server.engine.vllm.output_parser import parser_of
from cogitate.server.engine.vllm.render import Rendered
from cogitate.strategies.core.logprobs import TokenLogprob
from cogitate.strategies.core.types import Completion


async def present(loaded: Loaded, model: str, rendered: Rendered, completions: Sequence[Completion]) -> Body:
    """The completions as the choices of one body. Raises ApiError."""
    request_id = random_uuid()
    output = _output(request_id, rendered, completions)
    if isinstance(rendered.request, CompletionRequest):
        return _raw(loaded, model, rendered.request, output)
    return await _chat(loaded, model, rendered.request, output)


async def _chat(loaded: Loaded, model: str, request: ChatCompletionRequest, output: RequestOutput) -> Body:
    serving = loaded.state.openai_serving_chat
    answer = await serving.chat_completion_full_generator(
        request,
        _only(output),
        output.request_id,
        model,
        [],
        serving.renderer.tokenizer,
        RequestResponseMetadata(request_id=output.request_id),
        parser_of(loaded, request),
    )
    if isinstance(answer, ErrorResponse):
        raise refused(answer)
    return dict(answer.model_dump())


def _raw(loaded: Loaded, model: str, request: CompletionRequest, output: RequestOutput) -> Body:
    serving = loaded.state.openai_serving_completion
    metadata = RequestResponseMetadata(request_id=output.request_id)
    answer = serving.request_output_to_completion_response(
        [output], request, output.request_id, int(time.time()), model, serving.renderer.tokenizer, metadata
    )
    return dict(answer.model_dump())


async def _only(output: RequestOutput) -> AsyncIterator[RequestOutput]:
    yield output


def _output(request_id: str, rendered: Rendered, completions: Sequence[Completion]) -> RequestOutput:
    said = [
        CompletionOutput(
            index=index,
            text=completion.text,
            token_ids=list(completion.token_ids),
            cumulative_logprob=None,
            logprobs=[_position(token) for token in completion.logprobs],
            finish_reason="length" if completion.cut else completion.finish,
            stop_reason=completion.stopped_by,
        )
        for index, completion in enumerate(completions)
    ]
    return RequestOutput(request_id, None, rendered.ids, None, said, finished=True)


def _position(token: TokenLogprob) -> dict[int, Logprob]:
    """The alternatives in order of rank, and the chosen token wherever it ranks: vLLM's own shape."""
    chosen = {token.id: Logprob(token.logprob, decoded_token=token.text)}
    return chosen | {
        other.id: Logprob(other.logprob, rank=rank, decoded_token=other.text)
        for rank, other in enumerate(token.top, start=1)
    }
