"""One request's means to decode: rendered by vLLM's renderer, sampled with vLLM's parameters, read by its parsers."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from vllm import SamplingParams
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.entrypoints.openai.completion.protocol import CompletionRequest
from vllm.entrypoints.serve.utils.api_utils import get_max_tokens
from vllm.inputs import EngineInput
from vllm.logprobs import FlatLogprobs
from vllm.outputs import CompletionOutput
from vllm.utils import random_uuid

from cogitate.server.engine import Body
from cogitate.server.engine.vllm.decode import Transcript, decode, token_logprobs
from cogitate.server.engine.vllm.errors import translated
from cogitate.server.engine.vllm.load import Loaded
from cogitate.server.engine.vllm.output_parser import Speaker, parser_of, understood
from cogitate.server.engine.vllm.render import Rendered, VllmRequest, render, with_ids
from cogitate.server.engine.vllm.response import present
from cogitate.strategies.core.ports import OnAbort, OnText, SampleFailed
from cogitate.strategies.core.types import Completion, Finish, Prompt, Sampling, Speech
from cogitate.strategies.thinking.thought import CLOSE, OPEN, within
from cogitate.strategies.voting.confidence import Watch

EACH = {"messages", "prompt", "stream", "stream_options", "n"}
"""What each decode of a request sets anew."""
FINISHES: dict[str | None, Finish] = {
    "stop": "stop",
    "length": "length",
    "repetition": "stop",
    "unsure": "unsure",
}


@dataclass(slots=True)
class VllmConversation:
    loaded: Loaded
    request: VllmRequest
    salt: str
    prompt_tokens: int = 0
    _rendered: dict[int, tuple[object, Rendered]] = field(default_factory=dict)

    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, on_text: OnText | None = None, on_abort: OnAbort | None = None
    ) -> Completion:
        rendered = await self.rendered(prompt, auxiliary=sampling.auxiliary)
        engine_input = await self._continued(rendered, prompt)

        def completed(transcript: Transcript) -> Completion:
            made = self._completion(prompt, sampling, transcript)
            return self._tagged(made, engine_input, transcript, sampling.until) if sampling.until else made

        stopped = (lambda transcript: on_abort(completed(transcript))) if on_abort else None
        try:
            params = self._params(
                rendered, engine_input, sampling, live=on_text is not None or sampling.floor is not None
            )
            name, hear = f"cogitate-{random_uuid()}", self._hearer(rendered, engine_input, sampling, on_text)
            transcript = await decode(self.loaded.llm, engine_input, params, name, hear, stopped, watched(sampling))
            if transcript.finish_reason not in FINISHES:
                raise SampleFailed(f"the engine ended a sequence with {transcript.finish_reason}")
            made = completed(transcript)
            if made.cut or sampling.auxiliary or sampling.stop or isinstance(rendered.request, CompletionRequest):
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
        if sampling.auxiliary or isinstance(rendered.request, CompletionRequest):
            return lambda said: on_text(Speech(said.text)) if said.text else None
        parser = parser_of(self.loaded, rendered.request)
        return Speaker(on_text, rendered.request, prompt["prompt_token_ids"], parser).hear

    async def rendered(self, prompt: Prompt, *, auxiliary: bool = False) -> Rendered:
        """Each conversation is rendered once, however many samples are drawn from it."""
        begins = prompt.messages if prompt.raw is None else prompt.raw
        if id(begins) not in self._rendered:
            ours = auxiliary or isinstance(self.request, CompletionRequest) != (prompt.raw is not None)
            rendered = await render(self.loaded, prompt, {"cache_salt": self.salt} if ours else self._fields)
            self._rendered[id(begins)] = (begins, rendered)
        return self._rendered[id(begins)][1]

    @property
    def _fields(self) -> dict[str, Any]:
        return dict(self.request.model_dump(exclude_unset=True, by_alias=True, exclude=EACH))

    async def _continued(self, rendered: Rendered, prompt: Prompt) -> EngineInput:
        """The rendered conversation and the tokens in the assistant's mouth already; only our words are tokenised."""
        ids = list(rendered.ids)
        for piece in prompt.pieces:
            ids += piece.ids if piece.ids is not None else await self._tokens(piece.text)
        return rendered.engine_input if len(ids) == len(rendered.ids) else with_ids(rendered.engine_input, ids)

    async def _tokens(self, text: str) -> list[int]:
        return await asyncio.to_thread(self.loaded.llm.get_tokenizer().encode, text, add_special_tokens=False)

    def _params(self, rendered: Rendered, prompt: EngineInput, sampling: Sampling, *, live: bool) -> SamplingParams:
        serving = self.loaded.state.openai_serving_chat
        request: VllmRequest = ChatCompletionRequest(messages=[]) if sampling.auxiliary else rendered.request
        update: dict[str, Any] = {"n": 1, "stream": live, "seed": sampling.seed}
        if sampling.temperature is not None:
            update["temperature"] = sampling.temperature
        if sampling.stop:
            update["stop"] = [*_listed(request.stop), *sampling.stop]
            update["include_stop_str_in_output"] = True
        if sampling.until:
            update["stop_token_ids"] = [*(request.stop_token_ids or ()), *self._label(sampling.until)]
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
        # Columns, and not a dictionary a token: millions of objects would make every garbage collection a stop.
        params.flat_logprobs = True
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

    def _tagged(self, made: Completion, prompt: EngineInput, transcript: Transcript, until: str) -> Completion:
        """With what its tokens tell of the model's tags: the one that ended it, and whether a thought is open."""
        opens, closes = self._label(OPEN), self._label(CLOSE)
        by = until if transcript.stop_reason in self._label(until) else made.stopped_by
        return replace(
            made, stopped_by=by, thinking=within([*prompt["prompt_token_ids"], *made.token_ids], opens, closes)
        )

    def _verdict(self, labels: tuple[str, ...], transcript: Transcript) -> dict[str, float]:
        if not labels or not transcript.logprobs:
            return {}
        reported = transcript.logprobs[0]
        tokens = {label: self._label(label) for label in labels}
        return {label: reported[ids[0]].logprob for label, ids in tokens.items() if ids and ids[0] in reported}

    async def present(self, completions: Sequence[Completion]) -> Body:
        rendered = await self.rendered(completions[0].prompt)
        return await present(self.loaded, self.request.model or "", rendered, completions)


def watched(sampling: Sampling) -> Callable[[CompletionOutput], bool] | None:
    """Whether what is new lets a sample fall below its floor."""
    if sampling.floor is None:
        return None
    watch, top = Watch(sampling.floor), sampling.logprobs or 0
    return lambda said: watch.falls(token_logprobs(said.token_ids, said.logprobs or FlatLogprobs(), top))


def _listed(stop: str | Sequence[str] | None) -> list[str]:
    return [stop] if isinstance(stop, str) else list(stop or ())
