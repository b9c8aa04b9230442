"""What crosses between a candidate and its judge: every plain value, exactly, and nothing else."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.server.sandbox.guest.values import DEPTH, Malformed, plain, read, written

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary()
)
KEYS = SCALARS | st.tuples(SCALARS, SCALARS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.sets(KEYS) | st.dictionaries(KEYS, inner),
    max_leaves=12,
)


def crossed(value: Any) -> Any:
    return plain(read(written(value)), finite=True)


def same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and a == b and repr(type(a)) == repr(type(b))


@given(VALUES)
def test_a_plain_value_crosses_unchanged(value: Any):
    assert same(crossed(value), value)


@given(st.text() | st.text(alphabet="\ud800\udfff\0"))
def test_text_of_any_kind_crosses(text: str):
    assert crossed(text) == text


def test_numbers_are_exact():
    assert crossed(10**5000) == 10**5000
    assert math.copysign(1, crossed(-0.0)) == -1
    assert crossed(0.1) == 0.1 and crossed(5e-324) == 5e-324
    assert type(crossed(True)) is bool and type(crossed(1)) is int and type(crossed(1.0)) is float


class Lying(int):
    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __format__(self, spec: str) -> str:
        return "2a"


def test_what_is_read_is_the_plain_type():
    assert type(crossed(Lying(7))) is int
    assert crossed(Lying(7)) == 7


@pytest.mark.parametrize("value", [object(), len, range(3), iter([]), 1j, {1: object()}, [lambda: 1], type])
def test_anything_else_does_not_cross(value: object):
    with pytest.raises(Malformed):
        written(value)


def test_depth_is_bounded_both_ways():
    value: Any = 1
    for _ in range(DEPTH + 1):
        value = [value]
    with pytest.raises(Malformed):
        written(value)
    tagged: Any = ["int", "1"]
    for _ in range(DEPTH + 2):
        tagged = ["list", [tagged]]
    with pytest.raises(Malformed):
        plain(tagged, finite=True)


def test_a_value_within_itself_does_not_cross():
    value: list[Any] = []
    value.append(value)
    with pytest.raises(Malformed):
        written(value)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_only_finite_numbers_are_answers(number: float):
    tagged = read(written([number]))
    assert repr(plain(tagged, finite=False)) == repr([number])
    with pytest.raises(Malformed):
        plain(tagged, finite=True)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{", b"[" * 100_000, b"1", b"1.5", b"{}", b'["int"]', b'["int", 1]', b'["int", "x"]', b'["int", "1", 2]',
        b'["set", [["list", []]]]', b'["dict", [[1, 2, 3]]]', b'["dict", [[["list", []], 1]]]', b'["eval", "1"]',
        b'["bytes", "abc"]', b'["float", "0x1p99999"]', b'["float", null]', b'["list", "ab", 1]', b"NaN", b"\xff",
        b'["list", [1]]', b'[["list"], []]', b'["tuple", 5]',
    ],
)  # fmt: skip
def test_what_no_writer_wrote_is_malformed(text: bytes):
    with pytest.raises(Malformed):
        plain(read(text), finite=True)


@given(st.recursive(st.none() | st.booleans() | st.text() | st.floats() | st.integers(), lambda inner: st.lists(inner)))
def test_any_json_at_all_is_a_plain_value_or_malformed(tagged: Any):
    try:
        value = plain(read(json.dumps(tagged).encode()), finite=True)
    except Malformed:
        return
    assert type(value) in (type(None), bool, int, float, str, bytes, list, tuple, set, dict)
