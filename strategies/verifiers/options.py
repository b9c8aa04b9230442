"""Options of verifier-guided strategies, and the verifiers that these options define."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from cogitate.strategies.checks.regex import MAX_PATTERN_CHARACTERS
from cogitate.strategies.core.options import Options
from cogitate.strategies.core.ports import Verifier
from cogitate.strategies.core.programs import Programs
from cogitate.strategies.core.prompts import CODE
from cogitate.strategies.core.types import Aggregation, Prompt
from cogitate.strategies.verifiers.chain import CHAIN_OPERATOR, build_chains
from cogitate.strategies.verifiers.comparative import VERDICT_TOKENS
from cogitate.strategies.verifiers.format_checks import build_regex_check, build_schema_check
from cogitate.strategies.verifiers.unit_tests import UnitTests

UNIT_TESTS = "unit_tests"
"""Wire name of the verifier that runs the client's tests."""
CHECK_INSTRUCTIONS: Mapping[str, str] = {UNIT_TESTS: CODE, "json": "", "json_schema": ""}
"""Instructions for candidates whose check reads something other than a boxed answer."""

VerifierName = Annotated[
    str | None,
    Field(
        default=None,
        max_length=64,
        description="Scores candidates. `judge`: one-token verdict of the model; `pairwise`, `groupwise`: the model "
        "compares candidates with each other; `confidence`: token probabilities; `programmatic`: arithmetic in the "
        "text; `number`, `json`: whether such an answer can be read; `countdown`: the Countdown numbers game only; "
        "`regex`: needs `pattern`; `json_schema`: needs `json_schema`; `unit_tests`: needs `tests`; `reward`: where a "
        "reward model is served. `a+b` applies b only to candidates that a scores above 0, and multiplies the scores.",
    ),
]


def check_pattern(pattern: str) -> str:
    """Validates the pattern. Raises ValueError."""
    build_regex_check(pattern)
    return pattern


def check_json_schema(schema: dict[str, object]) -> dict[str, object]:
    """Validates the schema. Raises ValueError."""
    build_schema_check(schema)
    return schema


class VerifierOptions(Options):
    """The options of verifier-guided strategies."""

    version: ClassVar[int] = 4

    verifier: VerifierName = None
    aggregation: Aggregation | None = Field(
        default=None,
        description="Combines the scores of a solution's steps. `last` suits verifiers that predict the final "
        "outcome; `min` and `prod` suit verifiers that check each step; `mean`: the average; null: the verifier's "
        "default.",
    )

    tests: tuple[Annotated[str, Field(min_length=1, max_length=4000)], ...] = Field(
        default=(),
        max_length=64,
        strict=False,
        description="For `unit_tests`: Python statements. Each is one test that calls the candidate's functions.",
    )

    pattern: (
        Annotated[str, Field(min_length=1, max_length=MAX_PATTERN_CHARACTERS), AfterValidator(check_pattern)] | None
    ) = Field(
        default=None,
        description="For `regex`: must match somewhere in the final text. Rust regex syntax, without look-around and "
        "back-references.",
    )
    json_schema: Annotated[dict[str, object], AfterValidator(check_json_schema)] | None = Field(
        default=None, description="For `json_schema`: the schema that the JSON in the final text must conform to."
    )

    def instruct(self, prompt: Prompt) -> Prompt:
        """Adds the instruction that fits the verifier's check.

        The client's own `instruction` or `answer_format` takes precedence.
        """
        if self.instruction is None and self.answer_format == "auto":
            for part in self.verifier_parts:
                if part in CHECK_INSTRUCTIONS:
                    return prompt.instruct(CHECK_INSTRUCTIONS[part])
        return super().instruct(prompt)

    @property
    def verifiers(self) -> tuple[str, ...]:
        return (self.verifier or "judge",)

    @property
    def verifier_parts(self) -> tuple[str, ...]:
        """The single verifiers that the verifiers are chains of."""
        return tuple(part for name in self.verifiers for part in name.split(CHAIN_OPERATOR))

    def verdict_tokens(self, n: int) -> int:
        """The most tokens that the engine decodes to judge n candidates at once."""
        return sum(VERDICT_TOKENS[part](n) for part in self.verifier_parts if part in VERDICT_TOKENS)

    @property
    def option_verifiers(self) -> Mapping[str, tuple[str, bool]]:
        """Verifiers defined by options: the option's name, and whether it is set."""
        return {
            UNIT_TESTS: ("tests", bool(self.tests)),
            "regex": ("pattern", self.pattern is not None),
            "json_schema": ("json_schema", self.json_schema is not None),
        }

    @property
    def program_runs(self) -> int:
        return self.candidates if UNIT_TESTS in self.verifier_parts else 0

    def build_verifiers(self, served: Mapping[str, Verifier], programs: Programs) -> Mapping[str, Verifier]:
        verifiers = dict(served)
        if self.tests:
            verifiers[UNIT_TESTS] = UnitTests(programs, self.tests)
        if self.pattern is not None:
            verifiers["regex"] = build_regex_check(self.pattern)
        if self.json_schema is not None:
            verifiers["json_schema"] = build_schema_check(self.json_schema)
        return build_chains(self.verifiers, verifiers)
