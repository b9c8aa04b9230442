import pytest

from cogitate.strategies.answers.multiple_choice import find_last_letter, option_letters, parse_letter


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Which?\nA) 1\nB) 2\nC) 3", "ABC"),
        ("Which?\nA. 1\nB. 2", "AB"),
        ("Which?\n(A) 1\n(B) 2\n(C) 3\n(D) 4", "ABCD"),
        ("Which? (A) 1 (B) 2 (C) 3", "ABC"),
        ("Which? A) 1 B) 2", "AB"),
        ("- A: one\n- B: two", "AB"),
        (r"$\textbf{(A)}\ 1 \qquad \textbf{(B)}\ 2$", "AB"),
        ("**A)** one\n**B)** two", "AB"),
        ("A. 1\nB. 2\nD. 4", "AB"),
        ("Let f(A) = 1 and f(B) = 2.", ""),
        ("Q: Why?\nA: Because.", ""),
        ("A cat. B movies.", ""),
        ("B) only", ""),
        ("", ""),
    ],
)
def test_option_letters_are_read_from_the_question(question: str, expected: str) -> None:
    assert option_letters(question) == expected


@pytest.mark.parametrize(
    "raw", ["B", "(B)", "B.", "B)", "(b)", "b", "b)", "[B]", "**B**", r"\text{(B)}", "$B$", "B: 12"]
)
@pytest.mark.parametrize("tail", ["", " "])
def test_letter_is_parsed_in_every_spelling(raw: str, tail: str) -> None:
    assert parse_letter(raw + tail) == "B"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("(C) Paris", "C"),
        ("B. A dog", "B"),
        ("option D", "D"),
        ("the choice (a)", "A"),
        ("A because it is", "A"),
        ("a dog", None),
        ("A and C", None),
        ("(A) and (C)", None),
        ("A, C", None),
        ("A/B", None),
        ("Because", None),
        ("12", None),
        ("", None),
    ],
)
def test_parse_letter_reads_the_start_of_the_answer(raw: str, expected: str | None) -> None:
    assert parse_letter(raw) == expected


def test_letter_outside_the_options_is_none() -> None:
    assert parse_letter("E", "ABCD") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A is wrong, so it must be C.", "C"),
        ("(B) it is", "B"),
        ("It is B. A cat would agree, I think.", "B"),
        ("It is B, not the vitamin E.", "B"),
        ("So A", "A"),
        ("USA", None),
        ("none", None),
    ],
)
def test_last_standalone_letter(text: str, expected: str | None) -> None:
    assert find_last_letter(text, "ABCD") == expected
