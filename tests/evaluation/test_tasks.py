"""Tasks by name, and what counts as right in them."""

import re

from server.evaluation.tasks import load
from strategies.answers import extract


def test_sums_are_right_differ_by_seed_and_repeat():
    asked = load("sums", 30, seed=5)
    assert asked == load("sums", 30, seed=5) != load("sums", 30, seed=6)
    assert len({question.id for question in asked + load("sums", 30, seed=6)}) == 60
    for question in asked:
        value = sum(map(int, re.findall(r"\d+", question.text)))
        assert question.right(extract(f"\\boxed{{{value}}}", "auto", question.text))
        assert not question.right(extract(f"\\boxed{{{value + 1}}}", "auto", question.text))


def test_a_task_that_makes_its_questions_makes_a_hundred():
    assert len(load("sums")) == 100
