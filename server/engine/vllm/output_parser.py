"""What a decode says, read by vLLM's own parsers: reasoning, content and tool calls apart, live and in the end."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.outputs import CompletionOutput
from vllm.parser.abstract_parser import Parser

from cogitate.server.engine.vllm.load import Loaded
from cogitate.strategies.core.ports import OnText
from cogitate.strategies.core.types import Call, Completion, Speech


def parser_of(loaded: Loaded, request: ChatCompletionRequest) -> Parser | None:
    """A fresh parser: they keep the state of one decode. None where the server was given none."""
    serving = loaded.state.openai_serving_chat
    if serving.parser_cls is None:
        return None
    kwargs = serving._effective_chat_template_kwargs(request)
    return serving._make_parser(request, serving.renderer.tokenizer, kwargs)


async def understood(
    loaded: Loaded, request: ChatCompletionRequest, prompt_ids: Sequence[int], completion: Completion
) -> Completion:
    """The completion with its content and its tool calls told apart. vLLM's parsers are regexes: not on the loop."""
    parser = parser_of(loaded, request)
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
    made = tuple(Call(call.name, call.arguments) for call in calls or ())
    return replace(completion, content=content or "", calls=made[:1] if request.parallel_tool_calls is False else made)


@dataclass(slots=True)
class Speaker:
    """Hands on the visible text of one decode as it grows. Tool calls are told when they are whole."""

    on_text: OnText
    request: ChatCompletionRequest
    prompt_ids: list[int]
    parser: Parser | None

    def hear(self, said: CompletionOutput) -> None:
        if self.parser is None:
            self._say(said.text)
            return
        delta = self.parser.parse_delta(
            delta_text=said.text,
            delta_token_ids=list(said.token_ids),
            request=self.request,
            prompt_token_ids=self.prompt_ids,
            finished=said.finish_reason is not None,
        )
        if delta is not None:
            self._say(delta.reasoning, reasoning=True)
            self._say(delta.content)

    def _say(self, text: str | None, *, reasoning: bool = False) -> None:
        if text:
            self.on_text(Speech(text, reasoning))
