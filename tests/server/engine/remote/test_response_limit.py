"""What was asked for bounds what is read of an answer."""

import pytest

from cogitate.server.engine.remote.errors import Lost
from cogitate.server.engine.remote.response_limit import BASE, MOST_BYTES, allowed, of_plain, of_samples
from cogitate.server.protocol.chat import CompletionRequest
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.strategies.core.types import Sampling
from tests.fakes.upstream import Script
from tests.server.engine.remote.fakes import one, request, sample


def test_more_tokens_answers_and_alternatives_may_be_longer():
    few, many = allowed(100, None, 4096), allowed(1000, None, 4096)
    assert BASE < few < many < allowed(1000, 20, 4096) < MOST_BYTES == allowed(10**6, None, 4096)
    assert allowed(None, None, None) == MOST_BYTES and allowed(None, None, 4096) == allowed(4096, None, 4096)
    four = Sampling(max_tokens=100)
    assert of_samples(four, 4, 4096) == allowed(400, None, 4096, 4) and of_samples(four, 1, None) < MOST_BYTES
    assert of_samples(Sampling(max_tokens=1, labels=("yes", "no")), 1, 4096) == allowed(1, 20, 4096)


def test_of_a_plain_request_every_choice_is_counted():
    assert of_plain(request(max_tokens=50, n=3, logprobs=True, top_logprobs=5), 4096) == allowed(150, 5, 4096, 3)
    assert of_plain(request(), 4096) == allowed(4096, None, 4096) and of_plain(request(), None) == MOST_BYTES
    two = {"model": "m", "prompt": ["a", "b"], "max_tokens": 50}
    assert of_plain(CompletionRequest.model_validate(two), 4096) == allowed(100, None, 4096, 2)
    assert of_plain(CompletionRequest.model_validate(two | {"echo": True}), 4096) == MOST_BYTES


def test_a_response_may_tell_its_text_five_times():
    asked = {"model": "m", "input": "a", "max_output_tokens": 9}
    assert of_plain(ResponsesRequest.model_validate(asked), 4096) == 5 * allowed(9, None, 4096)


@pytest.mark.parametrize("partial", [False, True])
async def test_an_answer_far_longer_than_what_was_asked_for_is_lost(partial):
    async with one(Script(fault="endless")) as (fake, backend):
        with pytest.raises(Lost, match="more than an answer can be"):
            await sample(backend, max_tokens=10, partial=partial)


async def test_the_fullest_answer_is_not_too_long():
    """With twenty alternatives to each token, their bytes told."""
    async with one(Script(texts=["\u00e9\u4e2d " * 60])) as (_, backend):
        made = await sample(backend, max_tokens=100, logprobs=20)
        assert len(made.logprobs) > 50 and len(made.logprobs[0].top) == 20
