"""What is found out before the first request: whether anybody answers, which model it is, what it can do."""

import asyncio

import pytest
from pydantic import SecretStr

from cogitate.server.engine import CannotStart
from cogitate.server.engine.remote import RemoteBackend, Upstream
from cogitate.server.engine.remote.model_card import chosen
from cogitate.server.errors import Unready
from tests.fakes.upstream import FakeUpstream, Script
from tests.server.engine.remote.fakes import QUICK, eventually, fakes, one, request, sample


async def opened(*fakes: FakeUpstream, **options: object) -> RemoteBackend:
    backend = RemoteBackend([Upstream(fake.url) for fake in fakes], patience=QUICK, **options)
    try:
        async with asyncio.timeout(5):
            await backend.open()
    finally:
        await backend.close()
    return backend


async def test_a_vllm_can_do_everything():
    async with fakes(Script(texts=["Cat", "Dog", "Emu"])) as (fake,):
        backend = await opened(fake)
    assert backend.card.abilities == {"continue", "logprobs", "seed", "n"}
    assert (backend.card.name, backend.card.max_model_len) == ("fake", 4096)
    assert fake.counters.tokens < 30, "asking costs next to nothing"


@pytest.mark.parametrize(
    ("script", "able"),
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
async def test_what_an_upstream_cannot_do_is_found_out(script, able):
    async with fakes(script) as (fake,):
        assert (await opened(fake)).card.abilities == able


async def test_what_it_can_do_may_be_told_instead():
    async with fakes(Script()) as (fake,):
        backend = await opened(fake, able=frozenset({"seed"}))
        assert backend.card.abilities == {"seed"} and fake.counters.calls == 0


async def test_it_waits_for_an_upstream_and_is_not_ready_until_one_answers():
    async with fakes(Script()) as (fake,):
        await fake.stop()
        backend = RemoteBackend([Upstream("http://127.0.0.1:9/v1"), Upstream(fake.url)], patience=QUICK)
        opening = asyncio.ensure_future(backend.open())
        await asyncio.sleep(0.2)
        assert not opening.done()
        with pytest.raises(Unready):
            assert backend.card
        await fake.start()
        await asyncio.wait_for(opening, 5)
        assert backend.card.name == "fake"
        await backend.close()


async def test_a_named_model_is_used_and_a_name_of_ours_is_shown():
    async with fakes(Script(model="org/Model-7B")) as (fake,):
        backend = await opened(fake, model="org/Model-7B", name="house")
        assert backend.card.name == "house" and fake.asked[-1][1]["model"] == "org/Model-7B"
        with pytest.raises(CannotStart, match="no model other; it lists org/Model-7B"):
            await opened(fake, model="other")


@pytest.mark.parametrize(
    "url",
    ["ftp://x/v1", "127.0.0.1:8000/v1", "http:///v1", "http://u:p@x/v1", "http://x:99999/v1", "http://x/v1?a=b", ""],
)
async def test_a_url_that_can_never_work_is_refused_at_once(url):
    with pytest.raises(CannotStart, match="base URL"):
        await RemoteBackend([Upstream(url)]).open()


async def test_a_key_that_is_refused_stops_the_start():
    async with fakes(Script(key="right")) as (fake,):
        with pytest.raises(CannotStart, match="COGITATE_UPSTREAM_API_KEY") as refused:
            await opened(fake)
        assert "canary" not in str(refused.value)


async def test_every_upstream_gets_its_own_key_and_no_other():
    async with fakes(Script(key="a"), Script(key="b")) as (first, second):
        upstreams = [Upstream(first.url, SecretStr("a")), Upstream(second.url, SecretStr("b"))]
        backend = RemoteBackend(upstreams, patience=QUICK)
        await backend.open()
        for number in range(12):
            await sample(backend, request(f"{number}"))
        await backend.close()
        for fake, key in ((first, b"Bearer a"), (second, b"Bearer b")):
            assert fake.counters.calls and {headers[b"authorization"] for _, _, headers in fake.asked} == {key}
        assert "Bearer" not in repr(backend) and "SecretStr('a')" not in repr(backend)


async def test_without_a_key_none_is_sent():
    async with one() as (fake, backend):
        await sample(backend)
        assert b"authorization" not in fake.asked[0][2]


async def test_an_upstreams_death_is_not_ours():
    async with one() as (fake, backend):
        death = asyncio.ensure_future(backend.failed())
        await fake.stop()
        await asyncio.sleep(0.05)
        assert not death.done()
        await fake.start()
        await eventually(lambda: not backend.replicas.all[0].health.ejected)
        assert (await sample(backend)).finish == "stop"
        death.cancel()


def test_the_revision_tells_models_apart_and_not_the_times_they_were_asked():
    def card(**more: object) -> object:
        return {"data": [{"id": "m", "max_model_len": 10, "created": 5, "permission": [{"id": "r"}]} | more]}

    same = chosen(card(), None).revision
    assert chosen(card(created=9, permission=[]), None).revision == same
    assert chosen(card(max_model_len=20), None).revision != same
    assert chosen(card(id="n"), None).revision != same


def test_the_context_is_read_where_it_is_told():
    assert chosen({"data": [{"id": "m", "meta": {"n_ctx_train": 777}}]}, None).context == 777
    assert chosen({"data": [{"id": "m", "max_model_len": "many"}]}, None).context is None


@pytest.mark.parametrize("listing", [{}, [], {"data": 3}, {"data": [{}]}, {"data": [None]}])
def test_an_upstream_that_lists_nothing_needs_a_name(listing):
    assert chosen(listing, "m").name == "m"
    with pytest.raises(CannotStart, match="name one"):
        chosen(listing, None)
