"""Packed log-probabilities equal their tokens, and add no objects for the garbage collector."""

import gc
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.strategies.core.logprobs import Logprobs, TokenLogprob, concatenate, pack
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.types import Completion

logprobs = st.floats(max_value=0, allow_nan=False)
plain = st.builds(TokenLogprob, st.integers(0, 2**31), st.text(max_size=3), logprobs)
tokens = st.lists(st.builds(TokenLogprob, st.integers(0, 9), st.text(max_size=3), logprobs, st.lists(plain).map(tuple)))
PROMPT = Prompt((Message("user", "?"),))


@given(tokens)
def test_packed_logprobs_equal_their_tokens(some):
    packed = Logprobs(some)
    assert list(packed) == some == packed and len(packed) == len(some) and bool(packed) == bool(some)
    assert [(one, list(alternatives)) for one, alternatives in packed.likelihoods()] == [
        (token.logprob, [other.logprob for other in token.top]) for token in some
    ]


@given(tokens, st.slices(8))
def test_slices_equal_those_of_a_list(some, part):
    assert list(Logprobs(some)[part]) == some[part]


@given(tokens, tokens)
def test_concatenation_equals_that_of_lists(some, more):
    assert list(concatenate([Logprobs(some), Logprobs(more)])) == some + more
    steps = [Completion(prompt=PROMPT, text="", finish="stop", logprobs=each) for each in (some, more)]
    assert steps[0].logprobs == some != [*some, None] and pack(steps[1].logprobs) is steps[1].logprobs


def test_token_is_accessible_by_index():
    some = [TokenLogprob(at, str(at), -at, (TokenLogprob(9, "x", -9.0),) * at) for at in range(3)]
    packed = Logprobs(some)
    assert [packed[at] for at in (0, 1, 2, -1, -3)] == [some[at] for at in (0, 1, 2, -1, -3)]
    with pytest.raises(IndexError):
        packed[3]
    assert (
        packed.mean == -1 and Logprobs().mean is None and Logprobs([TokenLogprob(0, "", -math.inf)]).mean == -math.inf
    )


def test_long_sample_consists_of_few_objects():
    other = TokenLogprob(1, "y", -1.0)
    gc.collect()
    before = len(gc.get_objects())
    packed = Logprobs(TokenLogprob(at, "x", -0.5, (other,) * 5) for at in range(4000))
    assert len(gc.get_objects()) - before < 50 and len(packed) == 4000
