import asyncio

from cogitate.strategies.core.types import Completion
from cogitate.strategies.verifiers.unit_tests import UnitTests
from tests.fakes.programs import InProcessPrograms
from tests.fakes.run import QUESTION

TESTS = ("assert f(2) == 4", "assert f(3) == 9")
RIGHT, HALF, WRONG = (f"```python\ndef f(x): return {body}\n```" for body in ("x * x", "x + 2", "0"))


def build_solution(text):
    return Completion(prompt=QUESTION, text=text, finish="stop")


async def refuse_verdicts(prompts, labels):
    raise AssertionError("nothing is asked")


def scores(verifier, *texts):
    verdicts = asyncio.run(verifier.judge(QUESTION, [build_solution(text) for text in texts], refuse_verdicts))
    return [verdict.steps for verdict in verdicts]


def test_score_is_the_share_of_passing_tests():
    verifier = UnitTests(InProcessPrograms(), TESTS)
    assert scores(verifier, RIGHT, HALF, WRONG, "def f(x): return x * x") == [(1.0,), (0.5,), (0.0,), (0.0,)]


def test_program_inside_an_open_thought_passes_no_test():
    assert scores(UnitTests(InProcessPrograms(), TESTS), f"<think> say {RIGHT}", RIGHT) == [(0.0,), (1.0,)]


def test_program_that_the_sandbox_refused_has_no_verdict():
    refuses = ("def f(x): return 0",)
    assert scores(UnitTests(InProcessPrograms(refuses=refuses), TESTS), WRONG, RIGHT) == [(), (1.0,)]
