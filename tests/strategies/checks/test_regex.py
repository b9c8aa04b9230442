import re
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cogitate.strategies.checks.regex import MAX_STATES, MAX_TEXT_CHARACTERS, Pattern, estimate_states


@given(st.text("ab(|)*+?.1", max_size=12), st.text("ab1", max_size=12))
def test_matches_equal_pythons_re(source, text):
    assume(not re.search(r"[*+?]\+", source))  # possessive in Python, repeated in Rust
    try:
        pattern = Pattern(source)
        expected = re.search(source, text) is not None
    except (ValueError, re.error):
        return
    assert pattern.is_match(text) == expected


@pytest.mark.parametrize("source", ["(", "a{2,1}", "[", r"(?=a)", r"(a)\1", r"\pX", "(?<!a)b", "x" * 513])
def test_invalid_and_too_long_patterns_are_rejected(source):
    with pytest.raises(ValueError, match="invalid pattern|pattern too long"):
        Pattern(source)


@pytest.mark.parametrize(
    ("source", "states"),
    [
        ("abc", 3),
        (r"\d{4}-\d{2}", 121),
        ("(a{100}){100}", 10_000),
        ("a{10}{10}", 100),
        ("(a|b){2,5}", 15),
        ("[a-z]{3}", 3),
        (r"\p{Greek}{2}", 40),
        (r"[\w\s]{2}", 80),
        ("a{3,}", 3),
        ("a{0}", 1),
        (")){9}", 10),
    ],
)
def test_counted_repetition_multiplies_the_state_estimate(source, states):
    assert estimate_states(source) == states


@pytest.mark.parametrize("source", ["(?:(?:a|aa){0,100}){0,100}!", "(a{0,40}){0,40}", "a{999999999}", r"\w{100}{100}"])
def test_short_patterns_with_many_states_are_rejected(source):
    with pytest.raises(ValueError, match=str(MAX_STATES)):
        Pattern(source)


@pytest.mark.parametrize(
    ("source", "character"),
    [("(a+)+$", "a"), ("(a|aa)+$", "a"), (r"(?:\w|\w\w){0,12}!", "é"), ("(?:a|b|ab){0,120}!", "a")],
)
def test_catastrophic_patterns_take_bounded_time(source, character):
    start = time.process_time()
    assert not Pattern(source).is_match(character * (MAX_TEXT_CHARACTERS - 1) + "#")
    assert time.process_time() - start < 2


def test_too_long_text_never_matches():
    assert Pattern("a").is_match("a" * MAX_TEXT_CHARACTERS) and not Pattern("a").is_match(
        "a" * (MAX_TEXT_CHARACTERS + 1)
    )
