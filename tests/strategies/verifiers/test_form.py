import asyncio

import pytest

from strategies.types import Completion
from strategies.verifiers import BUILT_IN
from tests.strategies.solving import QUESTION


@pytest.mark.parametrize(
    ("name", "text", "score"),
    [("number", "so \\boxed{42}", 1.0), ("number", "no idea", 0.0), ("json", 'a {"x": 1}', 1.0), ("json", "{x", 0.0)],
)
def test_an_answer_has_the_form_or_has_not(name, text, score):
    solution = Completion(prompt=QUESTION, text=text, finish="stop")
    (verdict,) = asyncio.run(BUILT_IN[name].judge(QUESTION, [solution], None))
    assert verdict.steps == (score,)
