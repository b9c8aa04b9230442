"""A faulty response fails its sample with a 502; nothing invalid is used, and no upstream message leaks."""

import asyncio
import resource
import time

import pytest

from cogitate.server.errors import ApiError, BadRequest, ContextTooLong, Overloaded, UpstreamError
from cogitate.strategies.core.ports import SampleFailed
from tests.fakes.upstream import Script
from tests.fakes.upstream.script import STORY
from tests.server.engine.remote.fakes import SHORT_TIMEOUTS, eventually, remote_backend, request, sample

BODIES = ("cut", "error_in_200", "malformed", "extra_choices", "gzip_bomb", "deep", "invalid_utf8")
CONNECTIONS = ("500", "hang", "hang_body", "reset", "reset_first", "redirect", "dribble")


@pytest.mark.alone
@pytest.mark.parametrize("partial", [False, True], ids=["unstreamed", "stream"])
@pytest.mark.parametrize("fault", BODIES + CONNECTIONS)
async def test_every_fault_fails_the_sample_with_502(fault, partial):
    async with remote_backend() as (fake, backend):
        await sample(backend)
        fake.script.fault = fault
        began = time.monotonic()
        with pytest.raises(SampleFailed) as lost:
            await sample(backend, reads_partial=partial)
        assert time.monotonic() - began < SHORT_TIMEOUTS.total + 0.5
        assert isinstance(lost.value, UpstreamError) and lost.value.status == 502
        assert "secret" not in lost.value.message and "127.0.0.1" not in lost.value.message
        fake.script.fault = "none"
        assert (await sample(backend)).finish == "stop", "the connections are still usable"
        assert backend.load().running == 0


@pytest.mark.alone
@pytest.mark.parametrize("fault", BODIES + CONNECTIONS)
async def test_every_fault_fails_a_forwarded_request_with_502(fault):
    async with remote_backend() as (fake, backend):
        fake.script.fault = fault
        with pytest.raises(UpstreamError) as lost:
            await backend.answer(request())
        assert lost.value.status == 502 and "secret" not in lost.value.message


@pytest.mark.parametrize(("fault", "max_mebibytes"), [("huge", 20), ("endless", 64)])
async def test_oversized_body_does_not_stay_in_memory(fault, max_mebibytes):
    """An announced size is rejected before the body is read. The memory of the fake upstream is included."""
    async with remote_backend() as (fake, backend):
        await sample(backend)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        fake.script.fault = fault
        with pytest.raises(SampleFailed, match="over the size limit"):
            await sample(backend)
        await eventually(lambda: fake.counters.in_flight == 0)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < max_mebibytes


async def test_redirect_fails_without_a_request_to_its_location():
    async with (
        remote_backend() as (other, _),
        remote_backend(Script(fault="redirect", redirect_url=other.url)) as (_, backend),
    ):
        other.requests.clear()
        with pytest.raises(SampleFailed, match="not followed"):
            await sample(backend)
        assert other.requests == []


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_bad_request_has_the_upstreams_reason(status):
    async with remote_backend(
        Script(refusal=(status, "logit_bias has a token\x00 that is\n out of range" + "." * 900))
    ) as (
        _,
        backend,
    ):
        with pytest.raises(BadRequest) as refused:
            await sample(backend)
    assert not isinstance(refused.value, SampleFailed), "every sample of this request would fail"
    assert refused.value.message.startswith("logit_bias has a token that is out of range")
    assert len(refused.value.message) <= 500


async def test_context_length_error_has_its_code():
    async with remote_backend(Script(refusal=(400, "This model's maximum context length is 4096 tokens."))) as (
        _,
        backend,
    ):
        with pytest.raises(ContextTooLong):
            await sample(backend)


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_upstream_authentication_error_is_a_502_without_its_message(status):
    async with remote_backend(Script(refusal=(status, "Incorrect API key sk-canary for /srv/secret"))) as (_, backend):
        with pytest.raises(UpstreamError) as refused:
            await sample(backend)
    assert refused.value.status == 502 and "canary" not in str(refused.value.body)
    assert not isinstance(refused.value, SampleFailed)


async def test_upstream_429_has_retry_after_and_fails_one_sample():
    async with remote_backend(Script(fault="429")) as (_, backend):
        with pytest.raises(SampleFailed) as refused:
            await sample(backend)
    assert isinstance(refused.value, Overloaded) and refused.value.headers == {"Retry-After": "7"}


async def test_absurd_usage_is_unknown_and_the_sample_is_used():
    async with remote_backend(Script(fault="absurd_usage")) as (_, backend):
        completion = await sample(backend)
    assert (completion.text, completion.tokens_known, completion.completion_tokens) == (STORY, False, 0)


@pytest.mark.parametrize(("overcount", "counted", "is_known"), [(1, 7, True), (10**6, 6, False)])
async def test_usage_over_max_tokens_is_believed_as_far_as_it_can_be(overcount, counted, is_known):
    """Some servers count a token too many. A claim beyond that is billed up to the limit, and counts as unknown."""
    async with remote_backend(Script(texts=["one two three four five"], overcount=overcount)) as (_, backend):
        completion = await sample(backend, max_tokens=6)
    assert (completion.completion_tokens, completion.tokens_known) == (counted, is_known)


async def test_cancelling_a_call_to_a_hanging_upstream_closes_it():
    async with remote_backend(Script(fault="hang"), timeouts=SHORT_TIMEOUTS) as (fake, backend):
        task = asyncio.ensure_future(sample(backend))
        await eventually(lambda: fake.counters.in_flight == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await eventually(lambda: fake.counters.in_flight == 0)
        assert isinstance(task, asyncio.Future) and fake.counters.aborted == 1


def test_sample_failures_are_api_errors_with_a_status():
    from cogitate.server.engine.remote.errors import UpstreamBusy, UpstreamDown, UpstreamFailed

    assert [
        (error.status, isinstance(error, ApiError))
        for error in (UpstreamFailed("is odd"), UpstreamBusy(3), UpstreamDown())
    ] == [
        (502, True),
        (429, True),
        (503, True),
    ]
