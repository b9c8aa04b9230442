"""Bodies that select a strategy are told from the others, which are passed on byte for byte, within limits."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from cogitate.server.api.pass_on import PassOn
from cogitate.server.planning.selects_strategy import parse_marked, selects_header, selects_strategy

SUFFIXES = frozenset({"self_consistency", "quick"})
SELECTING = [
    {"strategy": "self_consistency"},
    {"strategy": {"name": "nonsense"}},
    {"strategy": []},
    {"model": "NAME@quick"},
    {"model": "a@b@self_consistency"},
    {"budget": 4},
    {"optillm_approach": "bon"},
]
PLAIN = [
    {},
    {"strategy": None},
    {"model": "NAME@unknown"},
    {"model": "@quick"},
    {"model": 3},
    {"messages": [{"role": "user", "content": '"strategy": "self_consistency" NAME@quick'}]},
    {"metadata": {"strategy": "self_consistency"}},
]


def selects(body: bytes) -> bool:
    return selects_strategy(parse_marked(body), SUFFIXES)


@pytest.mark.parametrize("body", SELECTING, ids=json.dumps)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_body_that_selects_a_strategy_is_ours(body, ascii_only):
    assert selects(json.dumps(body, ensure_ascii=ascii_only).encode())


def test_escaped_field_name_selects_a_strategy_too():
    assert selects(b'{"\\u0073trategy": "self_consistency"}')


def test_header_of_its_hub_selects_a_strategy():
    assert selects_header([(b"x-its-budget", b"4")]) and not selects_header([(b"x-request-id", b"4")])


@pytest.mark.parametrize("body", PLAIN, ids=json.dumps)
def test_other_body_is_vllms(body):
    assert not selects(json.dumps(body).encode())


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error(body):
    selects(b'{"strategy' + body)


async def call(chunks: list[bytes], *, pause: float = 0, **limits) -> tuple[str, bytes, int | None]:
    """Send a body in chunks. Returns which application got it, what it read, and the status of an own response."""
    seen, status = ["", b""], None
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages[-1]["more_body"] = False

    def build_app(name: str):
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            seen[0], is_more = name, True
            while is_more:
                message = await receive()
                seen[1] += message["body"]
                is_more = message["more_body"]

        return app

    async def receive() -> Message:
        await asyncio.sleep(pause)
        return messages.pop(0)

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)

    scope = {"type": "http", "path": "/v1/chat/completions", "headers": []}
    await PassOn(build_app("plain"), build_app("ours"), SUFFIXES, **limits)(scope, receive, send)
    return seen[0], seen[1], status


async def test_either_application_reads_the_body_as_it_came():
    assert await call([b'{"mod', b'el": "NAME"}']) == ("plain", b'{"model": "NAME"}', None)
    assert await call([b'{"model": "NA', b'ME@quick"}']) == ("ours", b'{"model": "NAME@quick"}', None)


async def test_body_beyond_the_limit_is_not_collected():
    chunks = [b'{"strategy": "quick", "x": "', *[b"y" * 10] * 50, b'"}']
    assert await call(chunks, max_bytes=100) == ("plain", b"".join(chunks), None)


async def test_slow_body_gets_a_408():
    assert await call([b"{", b"}"], pause=0.2, seconds=0.1) == ("", b"", 408)


@pytest.mark.parametrize(
    "body", [b'{"model": "org/large"}', b'{"model": "org\\/large"}', b'{"model":"\\u006frg/large"}']
)
@pytest.mark.parametrize(("others", "is_ours"), [(("org/large",), True), ((), False), (("large",), False)])
async def test_body_for_an_upstreams_model_beside_vllms_is_ours(body, others, is_ours):
    assert (await call([body], others=others))[0] == ("ours" if is_ours else "plain")
