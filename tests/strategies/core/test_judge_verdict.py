import time

import pytest

from cogitate.strategies.core.judge_verdict import parse_pick


@pytest.mark.parametrize(
    "text",
    [
        "The most consistent response is Response 1, since Response 0 forgets a case.",
        "Response 0 forgets a case.\nThe most consistent response is response 1.",
        "The most consistent response is Response #1.",
        "The most consistent response is Response: 1",
        "The most consistent response is **Response** 1.",
        "The most consistent response is **Response 1**. Response 0 and Response 2 differ.",
        "The most consistent response is: Response 1",
        "The most consistent response is 1.",
        "The most consistent response is \\boxed{1}.",
        "The most consistent response is Response \\boxed{1}",
        "Response 0 is short.\n\n\\boxed{1}",
        "Response 0 is short. \\boxed{\\text{Response 1}}",
        "Response 0 is short.\n[[1]]",
        "A is vague. [[B]]",
        "Verdict: B",
        "**Verdict:** 1",
        "Final verdict: Response 1. (Response 2 is a close second.)",
        "Judgment: 1",
        "Judgement: 1\nResponse 0 has 3 errors.",
        "Response 1 is the best, Response 0 misses 2 cases.",
        "Response 0 scores 7 and Response 1 scores 9, so Response 1.",
        "I choose Response 1 because Response 0 is wrong.",
        "I would pick candidate 1.",
        "The winner is Response 1.",
        "Candidate 1 wins.",
        "The best response is #1",
        "The better answer is B, not A.",
        "Best response: 1",
        "Best: 1",
        "My choice: Response 1",
        "Response 0 is not the best. Response 1 is better.",
        "1",
        "Response 1",
        "#1",
        ": 1",
        "**1**",
        "B",
        "Response 0 gives 3 reasons.\n\nResponse 1",
        "Response 0 gives 3 reasons.\n\n**Response 1**.",
        "<thinking>The best response is Response 0.</thinking>The best response is Response 1.",
        "The best response is Response 0. No, on reflection the best response is Response 1.",
        "Final answer: 1",
    ],
)
def test_announced_verdict_counts_in_any_usual_form(text: str) -> None:
    assert parse_pick(text) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no idea",
        "Response 0 forgets a case. Response 1 forgets 2.",
        "Response 2 mentions 3 towns and 1 river.",
        "The most consistent response is none of them.",
        "Response 1 is not the best.",
        "The best response is not Response 1.",
        "Both are fine.",
    ],
)
def test_mere_mention_is_no_verdict(text: str) -> None:
    assert parse_pick(text) is None


@pytest.mark.parametrize(
    "unit", ["Response 1 ", "the best ", "verdict: ", "so ", "[[", "\\boxed{", "is ", "*", " ", "\n1"]
)
def test_hostile_judgement_is_read_in_bounded_time(unit: str) -> None:
    start = time.thread_time()
    parse_pick(unit * (100_000 // len(unit)))
    assert time.thread_time() - start < 0.2
