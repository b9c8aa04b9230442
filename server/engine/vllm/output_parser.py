"""Separates reasoning, content and tool calls of an output with vLLM's own parsers, while streaming and at the end."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.outputs import CompletionOutput
from vllm.parser.abstract_parser import Parser

from cogitate.server.engine.vllm.application import LoadedEngine
from cogitate.strategies.core.ports import OnText
from cogitate.strategies.core.types import Completion, TextDelta, ToolCall


def build_parser(loaded: LoadedEngine, request: ChatCompletionRequest) -> Parser | None:
    """Build a parser for one sequence, whose state it holds. None where the server is configured without one."""
    serving = loaded.state.openai_serving_chat
    if serving.parser_cls is None:
        return None
    kwargs = serving._effective_chat_template_kwargs(request)
    return serving._make_parser(request, serving.renderer.tokenizer, kwargs)


async def parse_completion(
    loaded: LoadedEngine, request: ChatCompletionRequest, prompt_ids: Sequence[int], completion: Completion
) -> Completion:
    """Return the completion with its content and its tool calls. Runs in a thread: vLLM's parsers are regexes."""
    parser = build_parser(loaded, request)
    if parser is None:
        return completion
    parser.set_prompt_token_ids(prompt_ids)
    automatic: bool = loaded.state.openai_serving_chat.enable_auto_tools
    _, content, calls = await asyncio.to_thread(
        parser.parse,
        completion.text,
        request,
        enable_auto_tools=automatic,
        model_output_token_ids=completion.token_ids,
    )
    tool_calls = tuple(ToolCall(call.name, call.arguments) for call in calls or ())
    if request.parallel_tool_calls is False:
        tool_calls = tool_calls[:1]
    return replace(completion, content=content or "", tool_calls=tool_calls)


@dataclass(slots=True)
class LiveParser:
    """Passes the text of one sequence to `on_text` while it is decoded. Tool calls are not passed on."""

    on_text: OnText
    request: ChatCompletionRequest
    prompt_ids: list[int]
    parser: Parser | None

    def feed(self, output: CompletionOutput) -> None:
        """Parse a new output."""
        if self.parser is None:
            self._emit(output.text)
            return
        delta = self.parser.parse_delta(
            delta_text=output.text,
            delta_token_ids=list(output.token_ids),
            request=self.request,
            prompt_token_ids=self.prompt_ids,
            finished=output.finish_reason is not None,
        )
        if delta is not None:
            self._emit(delta.reasoning, reasoning=True)
            self._emit(delta.content)

    def _emit(self, text: str | None, *, reasoning: bool = False) -> None:
        if text:
            self.on_text(TextDelta(text, reasoning))
