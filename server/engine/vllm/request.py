"""Decodes the samples of one request: vLLM's renderer, sampling parameters, parsers and response writers."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from vllm.entrypoints.openai.completion.protocol import CompletionRequest
from vllm.inputs import EngineInput
from vllm.logprobs import FlatLogprobs
from vllm.lora.request import LoRARequest
from vllm.outputs import CompletionOutput
from vllm.utils import random_uuid

from cogitate.server.engine import Body
from cogitate.server.engine.vllm.application import LoadedEngine
from cogitate.server.engine.vllm.completion import FINISHES, to_completion
from cogitate.server.engine.vllm.decode import DecodedSequence, Submission, decode, to_logprobs
from cogitate.server.engine.vllm.errors import to_api_error
from cogitate.server.engine.vllm.lost_sequence import explain_error
from cogitate.server.engine.vllm.output_parser import LiveParser, build_parser, parse_completion
from cogitate.server.engine.vllm.render import RenderedPrompt, VllmRequest, render, with_ids
from cogitate.server.engine.vllm.response import build_response
from cogitate.server.engine.vllm.sampling_params import build_sampling_params
from cogitate.strategies.core.confidence_monitor import ConfidenceMonitor
from cogitate.strategies.core.ports import OnAbort, OnText, SampleFailed
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.types import Completion, Sampling, TextDelta

PER_SAMPLE_FIELDS = {"messages", "prompt", "stream", "stream_options", "n"}
"""Fields of the client's request that each sample sets anew."""
WITHOUT_THINKING = {"enable_thinking": False}
"""Arguments of chat templates; those of models that do not think ignore them."""


@dataclass(slots=True)
class VllmConversation:
    """The Conversation port over vLLM."""

    loaded: LoadedEngine
    request: VllmRequest
    salt: str
    lora: LoRARequest | None = None
    """The adapter that all of its sequences are decoded with."""
    prompt_tokens: int = 0
    _rendered: dict[int, tuple[object, RenderedPrompt]] = field(default_factory=dict)
    """By id of the messages or raw prompt, which is stored with its rendering so that the id stays in use."""

    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, on_text: OnText | None = None, on_abort: OnAbort | None = None
    ) -> Completion:
        rendered = await self._render_for(prompt, sampling)
        engine_input = await self._append_segments(rendered, prompt)
        ids = engine_input["prompt_token_ids"]

        def convert(sequence: DecodedSequence) -> Completion:
            return to_completion(self.loaded, prompt, sampling, sequence, ids)

        try:
            sequence = await decode(
                self.loaded.llm,
                engine_input,
                build_sampling_params(
                    self.loaded,
                    rendered.request,
                    len(ids),
                    sampling,
                    stream=on_text is not None or sampling.confidence_threshold is not None,
                ),
                Submission(f"cogitate-{random_uuid()}", self.lora),
                self._build_listener(rendered, ids, sampling, on_text),
                (lambda sequence: on_abort(convert(sequence))) if on_abort else None,
                build_stop_check(sampling),
            )
            if sequence.finish_reason not in FINISHES:
                raise explain_error(rendered.request, sequence.finish_reason)
            return await self._parse(rendered, sampling, convert(sequence))
        except SampleFailed:
            raise
        except Exception as error:  # noqa: BLE001 vLLM raises a dozen types here; to_api_error has the table
            raise to_api_error(error) from error

    async def _parse(self, rendered: RenderedPrompt, sampling: Sampling, completion: Completion) -> Completion:
        """Separate content and tool calls where the completion is an answer to a chat, not a step or a verdict."""
        is_raw = isinstance(rendered.request, CompletionRequest)
        if completion.ends_early or sampling.auxiliary or sampling.stop or is_raw:
            return completion
        return await parse_completion(self.loaded, rendered.request, rendered.ids, completion)

    def _build_listener(
        self, rendered: RenderedPrompt, prompt_ids: list[int], sampling: Sampling, on_text: OnText | None
    ) -> Callable[[CompletionOutput], None] | None:
        if on_text is None:
            return None
        if sampling.auxiliary or isinstance(rendered.request, CompletionRequest):
            return lambda output: on_text(TextDelta(output.text)) if output.text else None
        parser = build_parser(self.loaded, rendered.request)
        return LiveParser(on_text, rendered.request, prompt_ids, parser).feed

    async def _render_for(self, prompt: Prompt, sampling: Sampling) -> RenderedPrompt:
        """Render the prompt of a decode.

        A verdict is the reply's first token, so the model must not think first; each has a prompt of its own, which is
        not stored.
        """
        if sampling.labels and prompt.raw is None and not prompt.segments:
            return await render(self.loaded, prompt, {**self._salt_field, "chat_template_kwargs": WITHOUT_THINKING})
        return await self.render(prompt, auxiliary=sampling.auxiliary)

    async def render(self, prompt: Prompt, *, auxiliary: bool = False) -> RenderedPrompt:
        """Render a prompt without its segments; once, however many samples are drawn from it. Raises ApiError.

        The client's fields are left out for an auxiliary prompt, and for a prompt of the other kind than the client's.
        """
        start = prompt.messages if prompt.raw is None else prompt.raw
        if id(start) not in self._rendered:
            is_raw = isinstance(self.request, CompletionRequest)
            without_fields = auxiliary or is_raw != (prompt.raw is not None)
            fields = self._salt_field if without_fields else self._client_fields
            self._rendered[id(start)] = (start, await render(self.loaded, prompt, fields))
        return self._rendered[id(start)][1]

    @property
    def _salt_field(self) -> dict[str, str]:
        return {"cache_salt": self.salt} if self.salt else {}

    @property
    def _client_fields(self) -> dict[str, Any]:
        return dict(self.request.model_dump(exclude_unset=True, by_alias=True, exclude=PER_SAMPLE_FIELDS))

    async def _append_segments(self, rendered: RenderedPrompt, prompt: Prompt) -> EngineInput:
        """Append the assistant's turn so far: decoded segments by their token ids, others tokenized here."""
        ids = list(rendered.ids)
        for segment in prompt.segments:
            ids += segment.ids if segment.ids is not None else await self._tokenize(segment.text)
        return rendered.engine_input if len(ids) == len(rendered.ids) else with_ids(rendered.engine_input, ids)

    async def _tokenize(self, text: str) -> list[int]:
        return await asyncio.to_thread(self.loaded.llm.get_tokenizer().encode, text, add_special_tokens=False)

    async def build_response(self, completions: Sequence[Completion]) -> Body:
        rendered = await self.render(completions[0].prompt)
        return await build_response(self.loaded, self.request.model or "", rendered, completions)


def build_stop_check(sampling: Sampling) -> Callable[[CompletionOutput], bool] | None:
    """Return a check of each new output: whether the sample's confidence falls below its threshold."""
    if sampling.confidence_threshold is None:
        return None
    monitor, top = ConfidenceMonitor(sampling.confidence_threshold), sampling.logprobs or 0
    return lambda output: monitor.update(to_logprobs(output.token_ids, output.logprobs or FlatLogprobs(), top))
