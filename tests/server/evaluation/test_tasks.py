"""Tasks by name, and which answers to them are right."""

import re

from cogitate.server.evaluation.tasks import load_task
from cogitate.strategies.answers import extract


def test_sums_depend_on_their_seed_and_grade_their_values():
    asked = load_task("sums", 30, seed=5)
    assert asked == load_task("sums", 30, seed=5) != load_task("sums", 30, seed=6)
    assert len({question.id for question in asked + load_task("sums", 30, seed=6)}) == 60
    for question in asked:
        value = sum(map(int, re.findall(r"\d+", question.text)))
        assert question.is_right(extract(f"\\boxed{{{value}}}", "auto", question.text))
        assert not question.is_right(extract(f"\\boxed{{{value + 1}}}", "auto", question.text))


def test_generated_task_has_100_questions_by_default():
    assert len(load_task("sums")) == 100
