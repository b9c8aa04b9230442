"""Equality of answers is an equivalence, whatever the answers and their order: a property of generated answers."""

import asyncio
import random

from hypothesis import example, given
from hypothesis import strategies as st

from cogitate.strategies.answers import canonical, compare_keys
from cogitate.strategies.core.equivalence import AnswerClasses, are_equal
from cogitate.strategies.core.scripted import ScriptedProver

SMALL = st.integers(-4, 12)
NUMBERS = st.one_of(
    SMALL.map(str),
    st.tuples(SMALL, st.integers(1, 6)).map(lambda n: rf"\frac{{{n[0]}}}{{{n[1]}}}"),
    st.tuples(SMALL, st.integers(1, 6)).map(lambda n: f"{n[0]}/{n[1]}"),
    st.sampled_from(["0.5", "0.333333", "0.3333333333333333", "0.33", "1.5", "1e3", "1,000", "2(3)", "1\\frac{1}{2}"]),
)
EXPRESSIONS = st.sampled_from(
    [
        "x",
        "X",
        "2x",
        "x+1",
        "1+x",
        r"\sqrt{8}",
        r"2\sqrt{2}",
        "sqrt(8)",
        r"\pi",
        "2pi",
        "x**2",
        "x^2",
        "i",
        "1/2x",
        "x/2",
    ]
)
UNITS = st.sampled_from(
    ["hours", "minutes", "cm", r"\text{ cm}", "dollars", "cents", "%", "°", "m", "apples", "red apples"]
)
SIMPLE = NUMBERS | EXPRESSIONS
ANSWERS = st.one_of(
    SIMPLE,
    st.tuples(SMALL, UNITS).map(lambda n: f"{n[0]} {n[1]}"),
    st.tuples(st.sampled_from(["x", "y", "f(x)", "Area"]), SIMPLE).map(" = ".join),
    st.tuples(SMALL, st.sampled_from("-:/."), SMALL).map(lambda n: f"{abs(n[0])}{n[1]}{abs(n[2])}"),
    st.tuples(st.integers(1, 13), st.integers(1, 13)).map(lambda n: f"2024-{n[0]:02}-{n[1]:02}"),
    st.tuples(st.integers(1, 12), st.sampled_from(["am", "pm", ""])).map(lambda n: f"{n[0]}:30 {n[1]}"),
    st.tuples(st.sampled_from(["()", "[]", "{}", "[)", "  "]), st.lists(SIMPLE, min_size=2, max_size=3)).map(
        lambda n: f"{n[0][0]}{', '.join(n[1])}{n[0][1]}"
    ),
    st.tuples(st.sampled_from(["<", r"\le", ">", "="]), SMALL).map(lambda n: f"x {n[0]} {n[1]}"),
    st.tuples(st.integers(1, 111), st.integers(2, 16)).map(lambda n: f"{n[0]}_{{{n[1]}}}"),
    st.sampled_from(
        ["yes", "No", "A", "(B)", "New York", "red, blue", "x=2 or x=3", "2, 3", r"\pm 2", r'{"a": 1}', "[]", ""]
    ),
)


class BelievingProver:
    """Takes whatever it is asked for as proven."""

    async def equal(self, a: str, b: str) -> bool:
        return True


def classes_of(answers: list[str]) -> frozenset[frozenset[str]]:
    async def build() -> AnswerClasses:
        classes = AnswerClasses()
        for answer in answers:
            await classes.add(answer, BelievingProver())
        return classes

    classes = asyncio.run(build())
    groups: dict[str, set[str]] = {}
    for answer in answers:
        groups.setdefault(classes.key_of(answer), set()).add(answer)
    return frozenset(map(frozenset, groups.values()))


@given(ANSWERS)
def test_reading_an_answer_again_changes_nothing(answer: str) -> None:
    key = canonical(answer)
    assert canonical(key) == key
    assert asyncio.run(are_equal(key, key, ScriptedProver()))


@given(ANSWERS, ANSWERS)
def test_equality_is_symmetric(a: str, b: str) -> None:
    one, other = canonical(a), canonical(b)
    for is_loose in (False, True):
        there = compare_keys(one, other, is_loose=is_loose)
        assert (there is None) == (compare_keys(other, one, is_loose=is_loose) is None)


@given(st.lists(ANSWERS, min_size=3, max_size=3))
def test_strict_equality_is_transitive(answers: list[str]) -> None:
    a, b, c = map(canonical, answers)
    if compare_keys(a, b) is not None and compare_keys(b, c) is not None:
        assert compare_keys(a, c) is not None


@given(st.lists(ANSWERS, min_size=2, max_size=8), st.randoms(use_true_random=False))
def test_classes_of_a_vote_are_the_same_in_any_order(answers: list[str], rng: random.Random) -> None:
    keys = [canonical(answer) for answer in answers]
    assert classes_of(keys) == classes_of(rng.sample(keys, len(keys)))


@given(st.lists(ANSWERS, min_size=2, max_size=8))
@example(["1", "\\frac{1}{1}", "1_{2}"])
def test_two_answers_of_one_class_may_be_equal(answers: list[str]) -> None:
    for group in classes_of([canonical(answer) for answer in answers]):
        for a in group:
            assert all(compare_keys(a, b, is_loose=True) is not None or compare_keys(a, b) is not None for b in group)
