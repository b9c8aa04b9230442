"""Dual execution agreement: programs and tests of the same model score each other. CodeT, Chen et al., 2022,
arXiv:2207.10397.

The model writes tests, and every candidate's program runs against every test in the sandbox. Programs that pass the
same tests are one consensus set; its score is the square root of the number of its programs times the number of its
tests, here divided by the largest possible value. Programs that are written alike, and tests that are, count each time.

Deviations: a chat model is asked for `assert` lines, where the paper has the function's body continued; and a test
counts only where it calls functions that at least half of the programs define, where the paper knows the entry point.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import compress

from cogitate.strategies.core.concurrency import run_all
from cogitate.strategies.core.ports import Ask, SampleFailed, Verdict
from cogitate.strategies.core.program_source import extract_program
from cogitate.strategies.core.programs import Programs
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.prompts import WRITE_TESTS
from cogitate.strategies.core.quoting import final_text
from cogitate.strategies.core.types import Completion
from cogitate.strategies.verifiers.defaults import VerifierDefaults
from cogitate.strategies.verifiers.unit_tests import NOT_RUN
from cogitate.strategies.verifiers.written_tests import find_functions, parse_tests, select_tests

MAX_TEST_TOKENS = 512
"""Of one reply with tests."""
MAX_CALL_SECONDS = 0.5
"""Of one call by a test: a test whose input makes a program loop fails alone."""
NO_TESTS = "agreement: the model wrote no test that calls the candidates' functions; no candidate was scored"


@dataclass(frozen=True, slots=True)
class Agreement(VerifierDefaults):
    """Scores solutions by the tests that the engine's own model writes."""

    programs: Programs
    test_samples: int
    """Replies with tests."""
    compares = True

    async def judge(self, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
        sources = [extract_program(final_text(solution)) for solution in solutions]
        distinct = list(dict.fromkeys(source for source in sources if source is not None))
        if not distinct:
            return [Verdict((0.0,)) for _ in solutions]
        tests = select_tests(await self._write_tests(question, len(solutions), ask), find_functions(distinct))
        if not tests:
            return [Verdict((), warnings=(NO_TESTS,)) for _ in solutions]
        weights = Counter(tests)
        results = await run_all(
            [self.programs.test(source, list(weights), call_seconds=MAX_CALL_SECONDS) for source in distinct]
        )
        passed = {source: result.passed for source, result in zip(distinct, results, strict=True) if result.ran}
        rated = [source for source in sources if source is None or source in passed]
        scores = iter(score_agreement([passed.get(source or "", ()) for source in rated], list(weights.values())))
        lost = Verdict((), warnings=(NOT_RUN,))
        return [Verdict((next(scores),)) if not source or source in passed else lost for source in sources]

    async def _write_tests(self, question: Prompt, width: int, ask: Ask) -> list[str]:
        """Return the tests of all replies, of which `width` are in flight at once."""
        prompt = Prompt((Message("user", WRITE_TESTS.format(question=question.question.strip())),))
        tests = list[str]()
        for start in range(0, self.test_samples, width):
            with suppress(SampleFailed):
                replies = await ask([prompt] * min(width, self.test_samples - start), max_tokens=MAX_TEST_TOKENS)
                tests += [test for reply in replies if reply for test in parse_tests(final_text(reply))]
        return tests


def score_agreement(passed: Sequence[tuple[bool, ...]], weights: Sequence[int]) -> list[float]:
    """Return the score of each program, in [0, 1], by the tests that it passes, and how often each was written."""
    members: Mapping[tuple[bool, ...], int] = Counter(passed)
    most = math.sqrt(len(passed)) * sum(weights)
    return [math.sqrt(members[tests]) * sum(compress(weights, tests)) / most for tests in passed]
