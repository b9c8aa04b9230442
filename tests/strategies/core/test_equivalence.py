"""Classes of answers: sound, and the same in whatever order the answers come."""

import asyncio
from itertools import permutations

import pytest

from cogitate.strategies.answers import canonical
from cogitate.strategies.core.equivalence import MAX_PROOFS, AnswerClasses, are_equal
from cogitate.strategies.core.scripted import ScriptedProver


def group(answers: list[str], prover: ScriptedProver | None = None) -> set[frozenset[str]]:
    async def build() -> AnswerClasses:
        classes = AnswerClasses()
        for answer in answers:
            await classes.add(canonical(answer), prover or ScriptedProver())
        return classes

    classes = asyncio.run(build())
    found: dict[str, set[str]] = {}
    for answer in answers:
        found.setdefault(classes.key_of(canonical(answer)), set()).add(answer)
    return set(map(frozenset, found.values()))


@pytest.mark.parametrize(
    ("answers", "classes"),
    [
        (["3", "3 hours"], [["3", "3 hours"]]),
        (["3", "3 hours", "3 minutes"], [["3"], ["3 hours"], ["3 minutes"]]),
        (["3", "3 hours", "180 minutes"], [["3", "3 hours", "180 minutes"]]),
        (["3", "3 hours", "180 minutes", "180"], [["3"], ["3 hours", "180 minutes"], ["180"]]),
        (["x=3", "y=3", "3"], [["x=3"], ["y=3"], ["3"]]),
        (["x=3", "3", "$3$"], [["x=3", "3", "$3$"]]),
        (["x = 2 or x = 3", "x = 3 or x = 2", "2, 3"], [["x = 2 or x = 3", "x = 3 or x = 2", "2, 3"]]),
        (["1/3", "0.333333", "0.33333333"], [["1/3"], ["0.333333"], ["0.33333333"]]),
        (["[1, 2, 3]", "1, 2, 3"], [["[1, 2, 3]", "1, 2, 3"]]),
        (["[1, 2, 3]", "[3, 2, 1]", "1, 2, 3"], [["[1, 2, 3]"], ["[3, 2, 1]"], ["1, 2, 3"]]),
        (["5 dollars", "5 cents", "500 cents"], [["5 dollars", "500 cents"], ["5 cents"]]),
        (["2024-03-05", "March 5, 2024", "2024-05-03"], [["2024-03-05", "March 5, 2024"], ["2024-05-03"]]),
    ],
)
def test_classes_do_not_depend_on_the_order_and_chain_nothing_different(
    answers: list[str], classes: list[list[str]]
) -> None:
    for order in permutations(answers):
        assert group(list(order)) == set(map(frozenset, classes)), order


def test_only_expressions_of_one_value_are_asked_of_the_prover() -> None:
    prover = ScriptedProver([(r"\sqrt{8}", r"2\sqrt{2}")])
    answers = [r"\sqrt{8}", r"2\sqrt{2}", "2.83", "x+1", "1/2", "0.5", "2024-03-05", "3-2", "yes", r"2\sqrt{3}"]
    classes = group(answers, prover)
    assert frozenset([r"\sqrt{8}", r"2\sqrt{2}"]) in classes and frozenset(["1/2", "0.5"]) in classes
    assert prover.asked == [(r"\sqrt{8}", r"2\sqrt{2}")] or prover.asked == [(r"2\sqrt{2}", r"\sqrt{8}")]


def test_expressions_of_one_value_that_are_not_proven_stay_apart() -> None:
    assert len(group([r"\sqrt{8}", r"2\sqrt{2}"])) == 2


def test_proofs_of_one_answer_are_limited() -> None:
    prover = ScriptedProver()
    terms = [f"x+{n}-{n}*1" for n in range(2, 3 * MAX_PROOFS)]
    group(terms, prover)
    asked = [sum(key in pair for pair in prover.asked) for key in {pair[0] for pair in prover.asked}]
    assert prover.asked and len(prover.asked) <= MAX_PROOFS * len(terms) and asked


def test_two_forms_alone_are_compared_as_a_vote_of_two() -> None:
    assert asyncio.run(are_equal("3", r"3\text{ hour}", ScriptedProver()))
    assert not asyncio.run(are_equal(r"3\text{ minute}", r"3\text{ hour}", ScriptedProver()))
