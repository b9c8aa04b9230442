"""Options of verifier-guided strategies, and the verifiers that these options define."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from cogitate.strategies.checks.regex import MAX_PATTERN_CHARACTERS
from cogitate.strategies.core.models import ModelName
from cogitate.strategies.core.options import Options
from cogitate.strategies.core.ports import Generative, Verifier
from cogitate.strategies.core.programs import Programs
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.prompts import CODE
from cogitate.strategies.core.types import Aggregation
from cogitate.strategies.verifiers.agreement import MAX_TEST_TOKENS, Agreement
from cogitate.strategies.verifiers.chain import CHAIN_OPERATOR, build_chains
from cogitate.strategies.verifiers.comparative import Pairwise, count_group_verdicts
from cogitate.strategies.verifiers.format_checks import build_regex_check, build_schema_check
from cogitate.strategies.verifiers.graded import Graded
from cogitate.strategies.verifiers.judge import Judge
from cogitate.strategies.verifiers.tournament import Pairing, count_verdicts
from cogitate.strategies.verifiers.unit_tests import UnitTests

AGREEMENT, GRADED, JUDGE, PAIRWISE, REWARD = "agreement", "graded", "judge", "pairwise", "reward"
UNIT_TESTS = "unit_tests"
"""Wire name of the verifier that runs the client's tests."""
ADJUSTED_VERIFIERS: Mapping[str, tuple[str, ...]] = {
    "criteria": (GRADED,),
    "pairing": (PAIRWISE,),
    "rationale_tokens": (JUDGE, REWARD),
    "test_samples": (AGREEMENT,),
    "verifier_model": (JUDGE, GRADED, PAIRWISE, "groupwise", AGREEMENT),
}
"""Option -> the verifiers that it adjusts."""
CHECK_INSTRUCTIONS: Mapping[str, str] = {UNIT_TESTS: CODE, AGREEMENT: CODE, "json": "", "json_schema": ""}
"""Instructions for candidates whose check reads something other than a boxed answer."""

VerifierName = Annotated[
    str | None,
    Field(
        default=None,
        max_length=64,
        description="Scores candidates. `judge`: one-token verdict of the model; `graded`: its grade on a scale of "
        "twenty letters; `pairwise`, `groupwise`: the model compares candidates with each other; `confidence`: token "
        "probabilities; `programmatic`: arithmetic in the text; `number`, `json`: whether such an answer can be read; "
        "`countdown`: the Countdown numbers game only; `regex`: needs `pattern`; `json_schema`: needs `json_schema`; "
        "`unit_tests`: needs `tests`; `agreement`: runs programs on tests that the model writes (CodeT); `reward`: "
        "where a reward model is served. `a+b` applies b only to candidates that a scores above 0, and multiplies the "
        "scores.",
    ),
]


def check_pattern(pattern: str) -> str:
    """Validate the pattern. Raises ValueError."""
    build_regex_check(pattern)
    return pattern


def check_json_schema(schema: dict[str, object]) -> dict[str, object]:
    """Validate the schema. Raises ValueError."""
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

    criteria: tuple[Annotated[str, Field(min_length=1, max_length=500)], ...] = Field(
        default=(),
        max_length=8,
        strict=False,
        description="For `graded`: what a solution is graded by, each in one sentence and for one token more; the "
        "scores are averaged. Empty: by its correctness.",
    )
    pairing: Pairing = Field(
        default="all",
        description="For `pairwise`: which candidates are compared. `all`: every two, in both orders; `pivot`: all "
        "with the two that lead after a ring; `swiss`: neighbours in the standings, round after round. At n=16 these "
        "take 240, 45 and 48 verdicts.",
    )

    rationale_tokens: int = Field(
        default=0,
        ge=0,
        le=4096,
        description="For `judge`, and for a `reward` model that generates: the most tokens of a rationale before each "
        "verdict; 0: none.",
    )

    verifier_model: ModelName | None = Field(
        default=None, description="The model that `verifier` asks. null: the request's own."
    )

    tests: tuple[Annotated[str, Field(min_length=1, max_length=4000)], ...] = Field(
        default=(),
        max_length=64,
        strict=False,
        description="For `unit_tests`: Python statements. Each is one test that calls the candidate's functions.",
    )

    test_samples: int = Field(
        default=8,
        ge=1,
        le=64,
        description="For `agreement`: replies in which the model writes tests, of at most 512 tokens each.",
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
        """Add the instruction that fits the verifier's check.

        The client's own `instruction` or `answer_format` takes precedence.
        """
        if self.instruction is None and self.answer_format == "auto":
            for part in self.verifier_parts:
                if part in CHECK_INSTRUCTIONS:
                    return prompt.instruct(CHECK_INSTRUCTIONS[part])
        return super().instruct(prompt)

    @property
    def other_models(self) -> Mapping[str, tuple[str, ...]]:
        return {**super().other_models, "verifier_model": (self.verifier_model,) if self.verifier_model else ()}

    @property
    def verifiers(self) -> tuple[str, ...]:
        return (self.verifier or "judge",)

    @property
    def verifier_parts(self) -> tuple[str, ...]:
        """The single verifiers that the verifiers are chains of."""
        return tuple(part for name in self.verifiers for part in name.split(CHAIN_OPERATOR))

    def verdict_tokens(self, n: int) -> int:
        """The most tokens that the engine decodes to judge n candidates at once."""
        return sum(self._part_tokens(part, n) for part in self.verifier_parts)

    def _part_tokens(self, part: str, n: int) -> int:
        """The tokens of one verifier; those that are not listed have the engine decode none."""
        match part:
            case "judge":
                return n * (1 + self.rationale_tokens)
            case "graded":
                return n * max(1, len(self.criteria))
            case "pairwise":
                return count_verdicts(self.pairing, n)
            case "groupwise":
                return count_group_verdicts(n)
            case "agreement":
                return self.test_samples * MAX_TEST_TOKENS
        return 0

    @property
    def option_verifiers(self) -> Mapping[str, tuple[str, bool]]:
        """Verifiers defined by options: the option's name, and whether it is set."""
        return {
            UNIT_TESTS: ("tests", bool(self.tests)),
            "regex": ("pattern", self.pattern is not None),
            "json_schema": ("json_schema", self.json_schema is not None),
        }

    @property
    def verifier_settings(self) -> Mapping[str, tuple[tuple[str, ...], bool]]:
        """Options that adjust a verifier: the verifiers, and whether the option is set."""
        fields = type(self).model_fields
        return {name: (each, getattr(self, name) != fields[name].default) for name, each in ADJUSTED_VERIFIERS.items()}

    @property
    def program_runs(self) -> int:
        return self.candidates * sum(part in (UNIT_TESTS, AGREEMENT) for part in self.verifier_parts)

    def build_verifiers(self, served: Mapping[str, Verifier], programs: Programs) -> Mapping[str, Verifier]:
        verifiers = {**served, **self._adjust(served)}
        if self.tests:
            verifiers[UNIT_TESTS] = UnitTests(programs, self.tests)
        if AGREEMENT in self.verifier_parts:
            verifiers[AGREEMENT] = Agreement(programs, self.test_samples)
        if self.pattern is not None:
            verifiers["regex"] = build_regex_check(self.pattern)
        if self.json_schema is not None:
            verifiers["json_schema"] = build_schema_check(self.json_schema)
        return build_chains(self.verifiers, verifiers)

    def _adjust(self, served: Mapping[str, Verifier]) -> Mapping[str, Verifier]:
        """The served verifiers that the options adjust."""
        verifiers = dict[str, Verifier]()
        if self.criteria:
            verifiers[GRADED] = Graded(self.criteria)
        if self.pairing != "all":
            verifiers[PAIRWISE] = Pairwise(self.pairing)
        if self.rationale_tokens:
            verifiers[JUDGE] = Judge(self.rationale_tokens)
            if isinstance(reward := served.get(REWARD), Generative):
                verifiers[REWARD] = reward.with_rationale(self.rationale_tokens)
        return verifiers
