"""Values that a candidate and its judge exchange: every plain value exactly, and nothing else."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.server.sandbox.guest.values import MAX_DEPTH, Malformed, decode, encode, untag

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


def round_trip(value: Any) -> Any:
    return untag(decode(encode(value)), finite=True)


def is_same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and a == b and repr(type(a)) == repr(type(b))


@given(VALUES)
def test_plain_values_round_trip(value: Any):
    assert is_same(round_trip(value), value)


@given(st.text() | st.text(alphabet="\ud800\udfff\0"))
def test_text_with_surrogates_and_nul_round_trips(text: str):
    assert round_trip(text) == text


def test_numbers_round_trip_exactly():
    assert round_trip(10**5000) == 10**5000
    assert math.copysign(1, round_trip(-0.0)) == -1
    assert round_trip(0.1) == 0.1 and round_trip(5e-324) == 5e-324
    assert type(round_trip(True)) is bool and type(round_trip(1)) is int and type(round_trip(1.0)) is float


class Lying(int):
    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __format__(self, spec: str) -> str:
        return "2a"


def test_subclass_instance_is_read_as_its_plain_type():
    assert type(round_trip(Lying(7))) is int
    assert round_trip(Lying(7)) == 7


@pytest.mark.parametrize("value", [object(), len, range(3), iter([]), 1j, {1: object()}, [lambda: 1], type])
def test_other_values_are_malformed(value: object):
    with pytest.raises(Malformed):
        encode(value)


def test_depth_is_limited_in_both_directions():
    value: Any = 1
    for _ in range(MAX_DEPTH + 1):
        value = [value]
    with pytest.raises(Malformed):
        encode(value)
    tagged: Any = ["int", "1"]
    for _ in range(MAX_DEPTH + 2):
        tagged = ["list", [tagged]]
    with pytest.raises(Malformed):
        untag(tagged, finite=True)


def test_cyclic_value_is_malformed():
    value: list[Any] = []
    value.append(value)
    with pytest.raises(Malformed):
        encode(value)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_rejected_as_answers(number: float):
    tagged = decode(encode([number]))
    assert repr(untag(tagged, finite=False)) == repr([number])
    with pytest.raises(Malformed):
        untag(tagged, finite=True)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{", b"[" * 100_000, b"1", b"1.5", b"{}", b'["int"]', b'["int", 1]', b'["int", "x"]', b'["int", "1", 2]',
        b'["set", [["list", []]]]', b'["dict", [[1, 2, 3]]]', b'["dict", [[["list", []], 1]]]', b'["eval", "1"]',
        b'["bytes", "abc"]', b'["float", "0x1p99999"]', b'["float", null]', b'["list", "ab", 1]', b"NaN", b"\xff",
        b'["list", [1]]', b'[["list"], []]', b'["tuple", 5]',
    ],
)  # fmt: skip
def test_malformed_messages_raise_malformed(text: bytes):
    with pytest.raises(Malformed):
        untag(decode(text), finite=True)


@given(st.recursive(st.none() | st.booleans() | st.text() | st.floats() | st.integers(), lambda inner: st.lists(inner)))
def test_any_json_is_a_plain_value_or_malformed(tagged: Any):
    try:
        value = untag(decode(json.dumps(tagged).encode()), finite=True)
    except Malformed:
        return
    assert type(value) in (type(None), bool, int, float, str, bytes, list, tuple, set, dict)
