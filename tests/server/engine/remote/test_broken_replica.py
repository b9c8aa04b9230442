"""A replica that breaks loses the sample it broke: nothing wrong is believed, and nothing it says leaks."""

import asyncio
import resource
import time

import pytest

from cogitate.server.errors import ApiError, BadRequest, ContextTooLong, Overloaded, Upstream
from cogitate.strategies.core.ports import SampleFailed
from tests.fakes.upstream import Script
from tests.server.engine.remote.fakes import QUICK, eventually, one, request, sample

BODIES = ("cut", "error_in_200", "malformed", "extra_choices", "absurd_usage", "gzip_bomb", "deep", "invalid_utf8")
CONNECTIONS = ("500", "hang", "hang_body", "reset", "reset_first", "redirect", "dribble")


@pytest.mark.alone
@pytest.mark.parametrize("partial", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fault", BODIES + CONNECTIONS)
async def test_every_fault_loses_the_sample_and_is_a_502_to_a_client(fault, partial):
    async with one() as (fake, backend):
        await sample(backend)
        fake.script.fault = fault
        began = time.monotonic()
        with pytest.raises(SampleFailed) as lost:
            await sample(backend, partial=partial)
        assert time.monotonic() - began < QUICK.total + 0.5
        assert isinstance(lost.value, Upstream) and lost.value.status == 502
        assert "secret" not in lost.value.message and "127.0.0.1" not in lost.value.message
        fake.script.fault = "none"
        assert (await sample(backend)).finish == "stop", "the connections are still good"
        assert backend.load().running == 0


@pytest.mark.alone
@pytest.mark.parametrize("fault", BODIES + CONNECTIONS)
async def test_every_fault_is_a_502_to_a_plain_request(fault):
    async with one() as (fake, backend):
        fake.script.fault = fault
        with pytest.raises(Upstream) as lost:
            await backend.answer(request())
        assert lost.value.status == 502 and "secret" not in lost.value.message


@pytest.mark.parametrize(("fault", "most"), [("huge", 20), ("endless", 64)])
async def test_a_body_that_is_too_large_is_not_kept(fault, most):
    """MiB; announced, it is not read at all. The fake upstream's own share is among them."""
    async with one() as (fake, backend):
        await sample(backend)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        fake.script.fault = fault
        with pytest.raises(SampleFailed, match="more than an answer can be"):
            await sample(backend)
        await eventually(lambda: fake.counters.in_flight == 0)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < most


async def test_redirects_are_not_followed():
    async with one() as (other, _), one(Script(fault="redirect", elsewhere=other.url)) as (_, backend):
        other.asked.clear()
        with pytest.raises(SampleFailed, match="not followed"):
            await sample(backend)
        assert other.asked == []


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_bad_request_is_told_with_the_upstreams_reason(status):
    async with one(Script(refusal=(status, "logit_bias has a token\x00 that is\n out of range" + "." * 900))) as (
        _,
        backend,
    ):
        with pytest.raises(BadRequest) as refused:
            await sample(backend)
    assert not isinstance(refused.value, SampleFailed), "no sample of this request can succeed"
    assert refused.value.message.startswith("logit_bias has a token that is out of range")
    assert len(refused.value.message) <= 500


async def test_a_context_that_is_too_long_keeps_its_code():
    async with one(Script(refusal=(400, "This model's maximum context length is 4096 tokens."))) as (_, backend):
        with pytest.raises(ContextTooLong):
            await sample(backend)


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_refusal_of_this_server_is_a_502_without_the_upstreams_words(status):
    async with one(Script(refusal=(status, "Incorrect API key sk-canary for /srv/secret"))) as (_, backend):
        with pytest.raises(Upstream) as refused:
            await sample(backend)
    assert refused.value.status == 502 and "canary" not in str(refused.value.body)
    assert not isinstance(refused.value, SampleFailed)


async def test_too_many_requests_keeps_how_long_to_wait_and_costs_a_search_one_sample_only():
    async with one(Script(fault="429")) as (_, backend):
        with pytest.raises(SampleFailed) as refused:
            await sample(backend)
    assert isinstance(refused.value, Overloaded) and refused.value.headers == {"Retry-After": "7"}


async def test_more_tokens_than_were_allowed_cannot_be():
    async with one(Script(texts=["one two three four five"])) as (fake, backend):
        await sample(backend, max_tokens=6)
        fake.script.overcount = 1
        with pytest.raises(SampleFailed, match="more tokens than it was allowed"):
            await sample(backend, max_tokens=6)


async def test_a_broken_upstream_does_not_stop_the_cancelling_of_a_call():
    async with one(Script(fault="hang"), patience=QUICK) as (fake, backend):
        task = asyncio.ensure_future(sample(backend))
        await eventually(lambda: fake.counters.in_flight == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await eventually(lambda: fake.counters.in_flight == 0)
        assert isinstance(task, asyncio.Future) and fake.counters.aborted == 1


def test_every_failure_of_a_sample_is_also_something_that_a_client_can_be_told():
    from cogitate.server.engine.remote.errors import Down, Lost, Throttled

    assert [(error.status, isinstance(error, ApiError)) for error in (Lost("is odd"), Throttled(3), Down())] == [
        (502, True),
        (429, True),
        (503, True),
    ]
