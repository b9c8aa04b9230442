"""How a candidate is read: the answer it gives, on which votes are counted."""

from dataclasses import dataclass

from cogitate.strategies.answers import Answer, AnswerFormat, answer_from_calls, extract, narrow_to_fields
from cogitate.strategies.core.types import Completion

NO_CALL = Answer("", "no call", "tool")
"""Tools were offered, none was called, and nothing else can be read: that is a vote for calling none."""
DELIMITED_RULES = ("boxed", "json")
"""Rules whose answers stand even in a text that was cut off: what they read was closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerReader:
    format: AnswerFormat = "auto"
    vote_on: tuple[str, ...] = ()
    """The fields of a JSON answer, or of a tool's arguments, that are compared; empty: all of them."""
    tools: bool = False
    """Tools were offered."""

    def read(self, completion: Completion) -> Answer | None:
        """What a candidate votes for, None if it abstains: a truncated chain does not vote by its last number.

        One that was ended as unsure does not vote at all.
        """
        if completion.finish == "unsure":
            return None
        ended = completion.finish == "stop"
        if completion.tool_calls:
            return (
                answer_from_calls([(call.name, call.arguments) for call in completion.tool_calls], self.vote_on)
                if ended
                else None
            )
        text = completion.text if completion.content is None else completion.content
        answer = extract(text, self.format, completion.prompt.question)
        if answer and answer.rule == "json":
            answer = narrow_to_fields(answer, self.vote_on)
        if answer and not ended and answer.rule not in DELIMITED_RULES:
            answer = None
        return NO_CALL if answer is None and ended and self.tools else answer
