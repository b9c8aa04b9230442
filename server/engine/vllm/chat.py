"""One chat request: rendered by vLLM's renderer, sampled with vLLM's parameters, presented by vLLM's own handler."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from vllm import SamplingParams
from vllm.entrypoints.generate.base.protocol import RequestResponseMetadata
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.entrypoints.serve.engine.protocol import ErrorResponse
from vllm.entrypoints.serve.utils.api_utils import get_max_tokens
from vllm.inputs import EngineInput
from vllm.logprobs import Logprob
from vllm.outputs import CompletionOutput, RequestOutput
from vllm.utils import random_uuid

from server.engine import Body
from server.engine.vllm.decode import Transcript, decode, token_logprobs
from server.engine.vllm.errors import refused, translated
from server.engine.vllm.loading import Loaded
from server.engine.vllm.speech import Speaker, parser_of, understood
from strategies.ports import OnAbort, OnText, SampleFailed
from strategies.types import Completion, Finish, Message, Prompt, Sampling, TokenLogprob

OURS = {"messages", "stream", "stream_options", "n"}
"""What each decode of a request sets anew."""
FINISHES: dict[str | None, Finish] = {"stop": "stop", "length": "length", "repetition": "stop"}


@dataclass(frozen=True, slots=True)
class Rendered:
    """A conversation as the engine takes it, with the request that vLLM's parsers may have adjusted."""

    request: ChatCompletionRequest
    engine_input: EngineInput

    @property
    def ids(self) -> list[int]:
        ids: list[int] = self.engine_input["prompt_token_ids"]
        return ids


@dataclass(slots=True)
class VllmConversation:
    loaded: Loaded
    request: ChatCompletionRequest
    prompt_tokens: int = 0
    _rendered: dict[int, tuple[object, Rendered]] = field(default_factory=dict)

    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, on_text: OnText | None = None, on_abort: OnAbort | None = None
    ) -> Completion:
        rendered = await self.rendered(prompt.messages, auxiliary=sampling.auxiliary)
        engine_input = await self._continued(rendered, prompt)

        def completed(transcript: Transcript) -> Completion:
            return self._completion(prompt, sampling, transcript)

        stopped = (lambda transcript: on_abort(completed(transcript))) if on_abort else None
        try:
            params = self._params(rendered, engine_input, sampling, live=on_text is not None)
            name, hear = f"cogitate-{random_uuid()}", self._hearer(rendered, engine_input, sampling, on_text)
            transcript = await decode(self.loaded.llm, engine_input, params, name, hear, stopped)
            if transcript.finish_reason not in FINISHES:
                raise SampleFailed(f"the engine ended a sequence with {transcript.finish_reason}")
            made = completed(transcript)
            if sampling.auxiliary or sampling.stop:
                return made
            return await understood(self.loaded, rendered.request, rendered.ids, made)
        except SampleFailed:
            raise
        except Exception as error:  # noqa: BLE001 vLLM raises a dozen kinds here; one table tells them apart
            raise translated(error) from error

    def _hearer(
        self, rendered: Rendered, prompt: EngineInput, sampling: Sampling, on_text: OnText | None
    ) -> Callable[[CompletionOutput], None] | None:
        if on_text is None:
            return None
        parser = None if sampling.auxiliary else parser_of(self.loaded, rendered.request)
        return Speaker(on_text, rendered.request, prompt["prompt_token_ids"], parser).hear

    async def rendered(self, messages: tuple[Message, ...], *, auxiliary: bool = False) -> Rendered:
        """Each conversation is rendered once, however many samples are drawn from it."""
        key = id(messages)
        if key not in self._rendered:
            wire = [{"role": m.role, "content": _parts(m), **m.extra} for m in messages]
            request = ChatCompletionRequest.model_validate({**({} if auxiliary else self._body), "messages": wire})
            self._rendered[key] = (messages, await _render(self.loaded, request))
        return self._rendered[key][1]

    @property
    def _body(self) -> Body:
        return dict(self.request.model_dump(exclude_unset=True, by_alias=True, exclude=OURS))

    async def _continued(self, rendered: Rendered, prompt: Prompt) -> EngineInput:
        """The rendered conversation and the tokens in the assistant's mouth already; only our words are tokenised."""
        ids = list(rendered.ids)
        for piece in prompt.pieces:
            ids += piece.ids if piece.ids is not None else await self._tokens(piece.text)
        return rendered.engine_input if len(ids) == len(rendered.ids) else _with_ids(rendered.engine_input, ids)

    async def _tokens(self, text: str) -> list[int]:
        return await asyncio.to_thread(self.loaded.llm.get_tokenizer().encode, text, add_special_tokens=False)

    def _params(self, rendered: Rendered, prompt: EngineInput, sampling: Sampling, *, live: bool) -> SamplingParams:
        serving = self.loaded.state.openai_serving_chat
        request = ChatCompletionRequest(messages=[]) if sampling.auxiliary else rendered.request
        update: dict[str, Any] = {"n": 1, "stream": live, "seed": sampling.seed}
        if sampling.temperature is not None:
            update["temperature"] = sampling.temperature
        if sampling.stop:
            update["stop"] = [*_listed(request.stop), *sampling.stop]
            update["include_stop_str_in_output"] = True
        room = len(prompt["prompt_token_ids"])
        limit = get_max_tokens(
            self.loaded.llm.model_config.max_model_len,
            sampling.max_tokens,
            room,
            serving.default_sampling_params,
            serving.override_max_tokens,
        )
        update["min_tokens"] = min(request.min_tokens, limit)
        params = request.model_copy(update=update).to_sampling_params(limit, serving.default_sampling_params)
        params.logprobs = sampling.logprobs
        if sampling.labels:
            params.logprob_token_ids = [token for tokens in map(self._label, sampling.labels) for token in tokens]
            params.logprobs = len(params.logprob_token_ids)
        return params

    def _label(self, label: str) -> list[int]:
        """A label's token; nothing where it is more than one."""
        ids = self.loaded.llm.get_tokenizer().encode(label, add_special_tokens=False)
        return ids if len(ids) == 1 else []

    def _completion(self, prompt: Prompt, sampling: Sampling, transcript: Transcript) -> Completion:
        text, stopped_by = transcript.text, None
        if isinstance(transcript.stop_reason, str):
            stopped_by = transcript.stop_reason
            if sampling.stop and stopped_by not in sampling.stop:
                text = text.removesuffix(stopped_by)
        ids = transcript.spoken_ids
        return Completion(
            prompt=prompt,
            text=text,
            finish=FINISHES.get(transcript.finish_reason, "abort"),
            stopped_by=stopped_by,
            token_ids=ids,
            prompt_tokens=transcript.prompt_tokens,
            completion_tokens=len(transcript.token_ids),
            cached_tokens=transcript.cached_tokens,
            logprobs=() if sampling.labels else token_logprobs(ids, transcript.logprobs, sampling.logprobs or 0),
            labels=self._verdict(sampling.labels, transcript),
        )

    def _verdict(self, labels: tuple[str, ...], transcript: Transcript) -> dict[str, float]:
        if not labels or not transcript.logprobs:
            return {}
        reported = transcript.logprobs[0]
        tokens = {label: self._label(label) for label in labels}
        return {label: reported[ids[0]].logprob for label, ids in tokens.items() if ids and ids[0] in reported}

    async def present(self, completions: Sequence[Completion]) -> Body:
        """vLLM's own full-response writer, given the winners as if they had been the only samples."""
        serving = self.loaded.state.openai_serving_chat
        rendered = await self.rendered(completions[0].prompt.messages)
        request = rendered.request
        request_id = f"chatcmpl-{random_uuid()}"
        answer = await serving.chat_completion_full_generator(
            request,
            _only(_output(request_id, rendered, completions)),
            request_id,
            self.request.model,
            [],
            serving.renderer.tokenizer,
            RequestResponseMetadata(request_id=request_id),
            parser_of(self.loaded, request),
        )
        if isinstance(answer, ErrorResponse):
            raise refused(answer)
        return dict(answer.model_dump())


async def _render(loaded: Loaded, request: ChatCompletionRequest) -> Rendered:
    try:
        answer = await loaded.state.openai_serving_chat.render_chat_request(request)
    except Exception as error:  # noqa: BLE001 vLLM raises a dozen kinds here; one table tells them apart
        raise translated(error) from error
    if isinstance(answer, ErrorResponse):
        raise refused(answer)
    _, (engine_input,) = answer
    return Rendered(request, engine_input)


def _parts(message: Message) -> object:
    return list(message.content) if isinstance(message.content, tuple) else message.content


def _listed(stop: str | Sequence[str] | None) -> list[str]:
    return [stop] if isinstance(stop, str) else list(stop or ())


def _with_ids(engine_input: EngineInput, ids: list[int]) -> EngineInput:
    """The same input with more tokens; its text is left out, since nothing re-tokenises it."""
    return {**{k: v for k, v in engine_input.items() if k != "prompt"}, "prompt_token_ids": ids}


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
            finish_reason="length" if completion.finish == "abort" else completion.finish,
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
