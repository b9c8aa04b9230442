import pytest

from cogitate.strategies.answers.answer_phrase import find_announced_answers, find_hash_answers, strip_markup


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("6 + 12 = 18\n#### 18", ["18"]),
        ("#### 18.", ["18"]),
        ("####18\nHope this helps!", ["18"]),
        ("#### $1,234\nDone.", ["$1,234"]),
        ("#### 1\n#### 2", ["2", "1"]),
        ("#### (B) Paris", ["(B) Paris"]),
        ("#### Answer: **5**", ["5"]),
        ("#### The answer is 5.", ["5"]),
        ("#### Step 3: Verify\nIt is right.", []),
        ("#### 1. Compute the total\nIt is 5.", []),
        ("##### 18", []),
        ("####", []),
        ("####\n18", []),
    ],
)
def test_four_hashes_announce_an_answer_unless_they_start_a_heading(text: str, expected: list[str]) -> None:
    assert list(find_hash_answers(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A: 18", "18"),
        ("so it is 18\nA: 18", "18"),
        ("Answer: 42", "42"),
        ("**Answer:** 42", "42"),
        ("**Answer**: 42.", "42"),
        ("**Answer: 42**", "42"),
        ("Answer: **42** apples", "42 apples"),
        ("Final Answer: 42", "42"),
        ("**Final Answer**\n\n42", "42"),
        ("### Answer\n42", "42"),
        ("Answer:\n42", "42"),
        ("The answer is 42.", "42"),
        ("The final answer is: 42.", "42"),
        ("the answer is $42$. I hope it is correct.", "42"),
        ("The answer is $18.", "$18"),
        ("The answer is **$18**.", "$18"),
        ("The answer is $18 dollars per day.", "18 dollars per day"),
        (r"The answer is \(42\).", "42"),
        ("The final answer is:\n\\[\n42\n\\]", "42"),
        ("The final answer is\n$$\n42\n$$", "42"),
        ("The answer is `42`", "42"),
        ("The answer is $x$ and $y$", "$x$ and $y$"),
        ("Therefore, the answer (arabic numerals) is 18.", "18"),
        ("The answer to the question is 5.", "5"),
        ("The answer should be 5", "5"),
        ("The answer is not 3, the answer is 5.", "5"),
        ("Answer: 3\nAnswer: 5", "5"),
        ("Answer: 42. Let me check that.", "42"),
        ("Answer: 3.14 is close", "3.14 is close"),
        ("The answer is Paris. It is in France.", "Paris"),
        ("The answer is no. Because.", "no"),
        ("The answer is Dr. Smith.", "Dr. Smith"),
        ("The answer is St. Louis", "St. Louis"),
        ("The answer is B because the others are wrong.", "B"),
        ("The answer is 42.\nAnswer: [your answer]", "42"),
        ("The answer is 42.\nAnswer:", "42"),
        ("The answer is 2**3", "2**3"),
    ],
)
def test_last_announced_answer_comes_first(text: str, expected: str) -> None:
    assert next(find_announced_answers(text)) == expected


@pytest.mark.parametrize(
    "text",
    ["", "I know the answer", "answers: 5", "a: 5", "Plan A: 5", "AA: 5", "Answer:", "The answer is as follows:"],
)
def test_text_without_answer_label_yields_nothing(text: str) -> None:
    assert list(find_announced_answers(text)) == []


def test_option_a_is_not_an_answer_label() -> None:
    assert list(find_announced_answers("A: Paris\nB: Rome", initial_a=False)) == []


def test_number_of_labels_is_limited() -> None:
    assert len(list(find_announced_answers("Answer: 5\n" * 1000))) == 32


@pytest.mark.parametrize(
    ("value", "expected"), [(" **5.** ", "5"), ("$$5$$", "5"), ("__x__", "x"), ("$\t5\t$", "5"), ("$", "")]
)
def test_strip_markup_removes_decoration(value: str, expected: str) -> None:
    assert strip_markup(value) == expected
