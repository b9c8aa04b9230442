"""Opening the backend: waiting for an upstream, selecting its model, probing its abilities."""

import asyncio

import pytest
from pydantic import SecretStr

from cogitate.server.engine import CannotStart
from cogitate.server.engine.remote import RemoteBackend, UpstreamConfig
from cogitate.server.engine.remote.backend import RETRY_SECONDS
from cogitate.server.engine.remote.model_card import select_model
from cogitate.server.errors import NotReady
from tests.fakes.upstream import FakeUpstream, Script
from tests.server.engine.remote.fakes import (
    SHORT_TIMEOUTS,
    eventually,
    remote_backend,
    request,
    sample,
    start_upstreams,
)


async def open_and_close(*fakes: FakeUpstream, **options: object) -> RemoteBackend:
    backend = RemoteBackend([UpstreamConfig(fake.url) for fake in fakes], timeouts=SHORT_TIMEOUTS, **options)
    try:
        async with asyncio.timeout(5):
            await backend.open()
    finally:
        await backend.close()
    return backend


async def test_vllm_has_all_abilities():
    async with start_upstreams(Script(texts=["Cat", "Dog", "Emu"])) as (fake,):
        backend = await open_and_close(fake)
    assert backend.card.abilities == {"continue", "logprobs", "seed", "n"}
    assert (backend.card.name, backend.card.max_model_len) == ("fake", 4096)
    assert fake.counters.tokens < 30, "probes decode few tokens"


@pytest.mark.parametrize(
    ("script", "abilities"),
    [
        (Script(vllm=False), {"logprobs", "seed"}),
        (Script(logprobs=False), {"continue", "seed", "n"}),
        (Script(texts=["Cat", "Dog", "Emu", "Fox", "Gnu"], seeds=False), {"continue", "logprobs", "n"}),
        (Script(no_tokens=True), {"logprobs", "seed", "n"}),
        (Script(usage=False), {"continue", "logprobs", "seed"}),
        (Script(overcount=1), {"continue", "logprobs", "seed"}),
        (Script(refusal=(400, "no")), set()),
        (Script(fault="malformed"), set()),
    ],
)
async def test_missing_abilities_are_detected_by_probes(script, abilities):
    async with start_upstreams(script) as (fake,):
        assert (await open_and_close(fake)).card.abilities == abilities


async def test_configured_abilities_need_no_probes():
    async with start_upstreams(Script()) as (fake,):
        backend = await open_and_close(fake, abilities=frozenset({"seed"}))
        assert backend.card.abilities == {"seed"} and fake.counters.calls == 0


async def test_open_waits_until_an_upstream_responds():
    async with start_upstreams(Script()) as (fake,):
        await fake.stop()
        backend = RemoteBackend(
            [UpstreamConfig("http://127.0.0.1:9/v1"), UpstreamConfig(fake.url)], timeouts=SHORT_TIMEOUTS
        )
        opening = asyncio.ensure_future(backend.open())
        await asyncio.sleep(0.2)
        assert not opening.done()
        with pytest.raises(NotReady):
            assert backend.card
        await fake.start()
        await asyncio.wait_for(opening, 5)
        assert backend.card.name == "fake"
        await backend.close()


async def test_upstream_model_name_and_served_name_may_differ():
    async with start_upstreams(Script(model="org/Model-7B")) as (fake,):
        backend = await open_and_close(fake, model="org/Model-7B", name="house")
        assert backend.card.name == "house" and fake.requests[-1][1]["model"] == "org/Model-7B"
        with pytest.raises(CannotStart, match="no model other; it lists org/Model-7B"):
            await open_and_close(fake, model="other")


@pytest.mark.parametrize(
    "url",
    ["ftp://x/v1", "127.0.0.1:8000/v1", "http:///v1", "http://u:p@x/v1", "http://x:99999/v1", "http://x/v1?a=b", ""],
)
async def test_invalid_base_url_fails_at_start(url):
    with pytest.raises(CannotStart, match="base URL"):
        await RemoteBackend([UpstreamConfig(url)]).open()


async def test_wrong_api_key_fails_at_start_without_leaking_the_upstreams_message():
    async with start_upstreams(Script(key="right")) as (fake,):
        with pytest.raises(CannotStart, match="COGITATE_UPSTREAM_API_KEY") as refused:
            await open_and_close(fake)
        assert "canary" not in str(refused.value)


async def test_base_url_without_its_path_fails_at_start_with_the_remedy():
    async with start_upstreams(Script()) as (fake,):
        with pytest.raises(CannotStart, match="end in /v1"):
            await RemoteBackend([UpstreamConfig(fake.url.removesuffix("/v1"))], timeouts=SHORT_TIMEOUTS).open()


async def test_start_tells_once_why_it_waits_for_an_upstream(caplog):
    async with start_upstreams(Script()) as (fake,):
        await fake.stop()
        backend = RemoteBackend([UpstreamConfig(fake.url)], abilities=frozenset(), timeouts=SHORT_TIMEOUTS)
        opening = asyncio.create_task(backend.open())
        await eventually(lambda: caplog.messages)
        await asyncio.sleep(RETRY_SECONDS + 0.1)
        await fake.start()
        await asyncio.wait_for(opening, 5)
        await backend.close()
    waits = [each for each in caplog.messages if each.startswith("waiting")]
    assert waits == [f"waiting for {fake.url}: The upstream cannot be reached."]


async def test_every_upstream_gets_only_its_own_key():
    async with start_upstreams(Script(key="a"), Script(key="b")) as (first, second):
        upstreams = [UpstreamConfig(first.url, SecretStr("a")), UpstreamConfig(second.url, SecretStr("b"))]
        backend = RemoteBackend(upstreams, timeouts=SHORT_TIMEOUTS)
        await backend.open()
        for number in range(12):
            await sample(backend, request(f"{number}"))
        await backend.close()
        for fake, key in ((first, b"Bearer a"), (second, b"Bearer b")):
            assert fake.counters.calls and {headers[b"authorization"] for _, _, headers in fake.requests} == {key}
        assert "Bearer" not in repr(backend) and "SecretStr('a')" not in repr(backend)


async def test_without_a_key_there_is_no_authorization_header():
    async with remote_backend() as (fake, backend):
        await sample(backend)
        assert b"authorization" not in fake.requests[0][2]


async def test_backend_survives_an_upstream_outage():
    async with remote_backend() as (fake, backend):
        death = asyncio.ensure_future(backend.wait_for_failure())
        await fake.stop()
        await asyncio.sleep(0.05)
        assert not death.done()
        await fake.start()
        await eventually(lambda: not backend.balancer.replicas[0].health.ejected)
        assert (await sample(backend)).finish == "stop"
        death.cancel()


def test_revision_depends_on_the_stable_fields_of_the_model_card():
    def card(**more: object) -> object:
        return {"data": [{"id": "m", "max_model_len": 10, "created": 5, "permission": [{"id": "r"}]} | more]}

    same = select_model(card(), None).revision
    assert select_model(card(created=9, permission=[]), None).revision == same
    assert select_model(card(max_model_len=20), None).revision != same
    assert select_model(card(id="n"), None).revision != same


def test_context_length_is_read_from_vllm_and_llama_cpp_cards():
    assert select_model({"data": [{"id": "m", "meta": {"n_ctx_train": 777}}]}, None).max_model_len == 777
    assert select_model({"data": [{"id": "m", "max_model_len": "many"}]}, None).max_model_len is None


@pytest.mark.parametrize("listing", [{}, [], {"data": 3}, {"data": [{}]}, {"data": [None]}])
def test_empty_model_list_needs_a_configured_name(listing):
    assert select_model(listing, "m").name == "m"
    with pytest.raises(CannotStart, match="name one"):
        select_model(listing, None)
