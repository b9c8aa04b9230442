"""The options of strategies that a verifier guides, and the verifiers that are made of them."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from cogitate.strategies.checks.regex import LONGEST_PATTERN
from cogitate.strategies.core.options import Options
from cogitate.strategies.core.ports import Verifier
from cogitate.strategies.core.programs import Programs
from cogitate.strategies.core.prompts import CODE
from cogitate.strategies.core.types import Aggregation, Prompt
from cogitate.strategies.verifiers.chain import AND, chained
from cogitate.strategies.verifiers.comparative import QUESTIONS
from cogitate.strategies.verifiers.format_checks import conforming, matching
from cogitate.strategies.verifiers.unit_tests import UnitTests

UNIT_TESTS = "unit_tests"
ASKED_FOR: Mapping[str, str] = {UNIT_TESTS: CODE, "json": "", "json_schema": ""}
"""What a check reads, as candidates are told to write it: not in a box."""

Named = Annotated[
    str | None,
    Field(
        default=None,
        max_length=64,
        description="judge, pairwise and groupwise (candidates side by side), confidence, programmatic, number and "
        "json (is there such an answer), countdown (of its game alone), regex (needs pattern), json_schema (needs "
        "one), unit_tests (needs tests), or reward where one is served; "
        "a+b asks b only of what a gives more than 0, and multiplies",
    ),
]


def legal_pattern(pattern: str) -> str:
    """Raises ValueError."""
    matching(pattern)
    return pattern


def legal_schema(schema: dict[str, object]) -> dict[str, object]:
    """Raises ValueError."""
    conforming(schema)
    return schema


class Verified(Options):
    """The options of strategies that a verifier guides."""

    version: ClassVar[int] = 3

    verifier: Named = None
    aggregation: Aggregation | None = Field(
        default=None,
        description="A solution's score from its steps' scores. last suits verifiers of eventual success; min and prod "
        "suit verifiers of each step's correctness; null: what suits the verifier",
    )

    tests: tuple[Annotated[str, Field(min_length=1, max_length=4000)], ...] = Field(
        default=(),
        max_length=64,
        strict=False,
        description="For unit_tests: Python statements, each a test that calls the functions of a candidate's program",
    )

    pattern: Annotated[str, Field(min_length=1, max_length=LONGEST_PATTERN), AfterValidator(legal_pattern)] | None = (
        Field(
            default=None,
            description="For regex: found somewhere in what a candidate says when it has done thinking; Rust's syntax, "
            "which has no look-around and no back-references",
        )
    )
    json_schema: Annotated[dict[str, object], AfterValidator(legal_schema)] | None = Field(
        default=None, description="For json_schema: what the JSON that a candidate says must conform to"
    )

    def instructed(self, prompt: Prompt) -> Prompt:
        """With neither an instruction nor a format of the client's, what its check reads is asked for."""
        unsaid = self.instruction is None and self.answer_format == "auto"
        asked = next((ASKED_FOR[part] for part in self.parts if part in ASKED_FOR), None) if unsaid else None
        return super().instructed(prompt) if asked is None else prompt.instruct(asked)

    @property
    def verifiers(self) -> tuple[str, ...]:
        return (self.verifier or "judge",)

    @property
    def parts(self) -> tuple[str, ...]:
        """The verifiers that its verifiers are chained of."""
        return tuple(part for name in self.verifiers for part in name.split(AND))

    def verdicts(self, n: int) -> int:
        """The most tokens that its verifier has the engine decode to judge n candidates at once."""
        return sum(QUESTIONS[part](n) for part in self.parts if part in QUESTIONS)

    @property
    def checks(self) -> Mapping[str, tuple[str, bool]]:
        """The verifiers that are made of its own options: of which, and whether it is given."""
        return {
            UNIT_TESTS: ("tests", bool(self.tests)),
            "regex": ("pattern", self.pattern is not None),
            "json_schema": ("json_schema", self.json_schema is not None),
        }

    @property
    def runs(self) -> int:
        return self.candidates if UNIT_TESTS in self.parts else 0

    def known(self, served: Mapping[str, Verifier], programs: Programs) -> Mapping[str, Verifier]:
        own: dict[str, Verifier] = {}
        if self.tests:
            own[UNIT_TESTS] = UnitTests(programs, self.tests)
        if self.pattern is not None:
            own["regex"] = matching(self.pattern)
        if self.json_schema is not None:
            own["json_schema"] = conforming(self.json_schema)
        return chained(self.verifiers, {**served, **own})
