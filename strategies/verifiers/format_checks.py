"""Checks of a solution's format. They cost no tokens and can precede another verifier in a chain.

number and json: whether such an answer can be read, by the rules of the vote. regex and json_schema: whether the final
text matches the client's pattern or schema; both come from outside, and each check takes bounded time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from cogitate.strategies.answers import AnswerFormat
from cogitate.strategies.checks import JsonSchema, Pattern, parse_json_reply
from cogitate.strategies.core.answer_reader import AnswerReader
from cogitate.strategies.core.offload import offload
from cogitate.strategies.core.ports import Ask, Verdict
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.quoting import final_text
from cogitate.strategies.core.types import Completion
from cogitate.strategies.verifiers.defaults import VerifierDefaults


@dataclass(frozen=True, slots=True)
class FormatCheck(VerifierDefaults):
    """Scores 1 for a solution that passes, else 0."""

    is_pure = True
    passes: Callable[[Prompt, Completion], bool]

    async def judge(self, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
        """Judge one solution at a time, so that other requests run in between."""
        return [await offload(partial(self._verdict, question, each), len(each.text)) for each in solutions]

    def _verdict(self, question: Prompt, solution: Completion) -> Verdict:
        return Verdict((1.0 if self.passes(question, solution) else 0.0,))


def build_answer_check(format: AnswerFormat) -> FormatCheck:
    """Check whether an answer of this format can be read. The last number of a truncated text does not count."""
    reader = AnswerReader(format=format)
    return FormatCheck(lambda question, solution: reader.read(solution) is not None)


def build_regex_check(pattern: str) -> FormatCheck:
    """Check whether the pattern matches somewhere in the final text. Raises ValueError for an invalid pattern."""
    regex = Pattern(pattern)
    return FormatCheck(lambda question, solution: regex.is_match(final_text(solution)))


def build_schema_check(schema: dict[str, object]) -> FormatCheck:
    """Check whether the final text contains JSON that conforms. Raises ValueError for an unsupported schema."""
    json_schema = JsonSchema(schema)
    return FormatCheck(
        lambda question, solution: any(map(json_schema.is_valid, parse_json_reply(final_text(solution)) or ()))
    )
