"""The requested tokens limit the bytes of a response."""

import pytest

from cogitate.server.engine.remote.errors import UpstreamFailed
from cogitate.server.engine.remote.response_limit import (
    BASE_BYTES,
    MAX_RESPONSE_BYTES,
    max_bytes,
    max_forwarded_bytes,
    max_sample_bytes,
)
from cogitate.server.protocol.completion import CompletionRequest
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.strategies.core.types import Sampling
from tests.fakes.upstream import Script
from tests.server.engine.remote.fakes import remote_backend, request, sample


def test_limit_grows_with_tokens_choices_and_alternatives():
    few, many = max_bytes(100, None, 4096), max_bytes(1000, None, 4096)
    assert BASE_BYTES < few < many < max_bytes(1000, 20, 4096) < MAX_RESPONSE_BYTES == max_bytes(10**6, None, 4096)
    assert max_bytes(None, None, None) == MAX_RESPONSE_BYTES and max_bytes(None, None, 4096) == max_bytes(
        4096, None, 4096
    )
    four = Sampling(max_tokens=100)
    assert (
        max_sample_bytes(four, 4, 4096) == max_bytes(400, None, 4096, 4)
        and max_sample_bytes(four, 1, None) < MAX_RESPONSE_BYTES
    )
    assert max_sample_bytes(Sampling(max_tokens=1, labels=("yes", "no")), 1, 4096) == max_bytes(1, 20, 4096)


def test_forwarded_limit_counts_every_choice():
    assert max_forwarded_bytes(request(max_tokens=50, n=3, logprobs=True, top_logprobs=5), 4096) == max_bytes(
        150, 5, 4096, 3
    )
    assert (
        max_forwarded_bytes(request(), 4096) == max_bytes(4096, None, 4096)
        and max_forwarded_bytes(request(), None) == MAX_RESPONSE_BYTES
    )
    two = {"model": "m", "prompt": ["a", "b"], "max_tokens": 50}
    assert max_forwarded_bytes(CompletionRequest.model_validate(two), 4096) == max_bytes(100, None, 4096, 2)
    assert max_forwarded_bytes(CompletionRequest.model_validate(two | {"echo": True}), 4096) == MAX_RESPONSE_BYTES


def test_responses_api_limit_allows_five_repetitions():
    body = {"model": "m", "input": "a", "max_output_tokens": 9}
    assert max_forwarded_bytes(ResponsesRequest.model_validate(body), 4096) == 5 * max_bytes(9, None, 4096)


@pytest.mark.parametrize("partial", [False, True])
async def test_response_over_its_limit_fails_the_sample(partial):
    async with remote_backend(Script(fault="endless")) as (fake, backend):
        with pytest.raises(UpstreamFailed, match="over the size limit"):
            await sample(backend, max_tokens=10, reads_partial=partial)


async def test_response_with_all_alternatives_is_within_its_limit():
    """Twenty alternatives for each token, with their bytes."""
    async with remote_backend(Script(texts=["\u00e9\u4e2d " * 60])) as (_, backend):
        completion = await sample(backend, max_tokens=100, logprobs=20)
        assert len(completion.logprobs) > 50 and len(completion.logprobs[0].top) == 20
