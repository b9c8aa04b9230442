"""Reading the answer that a candidate votes for, from its text or tool calls."""

from dataclasses import dataclass

from cogitate.strategies.answers import Answer, AnswerFormat, answer_from_calls, extract, narrow_to_fields
from cogitate.strategies.core.types import Completion

NO_CALL = Answer("", "no call", "tool")
"""The vote for calling no tool: tools were offered, none was called, and no other answer can be read."""
DELIMITED_RULES = ("boxed", "json")
"""Rules whose answers count also in a truncated text, because they end with a delimiter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerReader:
    """Reads answers as one request wants them compared."""

    format: AnswerFormat = "auto"
    vote_on: tuple[str, ...] = ()
    """The fields of a JSON answer, or of a tool call's arguments, that are compared; empty: all."""
    tools: bool = False
    """Whether the request offers tools."""

    def read(self, completion: Completion) -> Answer | None:
        """Return the answer that a candidate votes for; None if it abstains.

        A truncated chain does not vote by its last number, and a sample that ended as `unsure` does not vote at all.
        """
        if completion.finish == "unsure":
            return None
        finished = completion.finish == "stop"
        if completion.tool_calls:
            calls = [(call.name, call.arguments) for call in completion.tool_calls]
            return answer_from_calls(calls, self.vote_on) if finished else None
        answer = extract(self._readable_text(completion), self.format, completion.prompt.question)
        if answer and answer.rule == "json":
            answer = narrow_to_fields(answer, self.vote_on)
        if answer and not finished and answer.rule not in DELIMITED_RULES:
            answer = None
        return NO_CALL if answer is None and finished and self.tools else answer

    def _readable_text(self, completion: Completion) -> str:
        """The text that the answer is read from: as a last resort the reasoning of a candidate without any content."""
        if completion.content is None or answers_in_reasoning(completion):
            return completion.text
        return completion.content


def answers_in_reasoning(completion: Completion) -> bool:
    """Whether a finished candidate has neither content nor calls, so that only its reasoning can hold its answer."""
    is_silent = completion.content is not None and not completion.content.strip() and not completion.tool_calls
    return completion.is_complete and is_silent and bool(completion.text.strip())
