"""Kept samples survive encoding, have limits in size and time, and a broken entry is a miss."""

import asyncio
import math
from collections.abc import Coroutine

import orjson
import pytest

from cogitate.server.cache import MemoryCache
from cogitate.server.cache.encryption import Encryption
from cogitate.server.serving.sample_store import SampleStore
from cogitate.server.serving.stored_sample import MAX_ENTRY_BYTES, MAX_SAMPLES, join_samples
from cogitate.strategies.core.logprobs import TokenLogprob
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.stock import SampleStock
from cogitate.strategies.core.types import Completion, ToolCall

PROMPT = Prompt((Message("user", "What is 6*7?"),))
KEY = "samples:1"
VALID = {
    "created": 0,
    "prompt": "p",
    "text": "so",
    "finish": "stop",
    "stopped_by": None,
    "token_ids": [1, 2],
    "prompt_tokens": 3,
    "completion_tokens": 3,
    "tokens_known": True,
    "content": None,
    "tool_calls": [],
    "warnings": [],
    "logprobs": {"starts": [0, 2], "ids": [1, 5, 2], "values": [-1.0, None, -0.5], "texts": ["s", None, "o"]},
    "native": None,
}


def build_sample(**fields: object) -> Completion:
    return Completion(**({"prompt": PROMPT, "text": "so", "finish": "stop", "completion_tokens": 3} | fields))


def run_store(*, put: bytes | None = None, drawn: tuple[Completion, ...] = (), seconds: int = 60) -> list[Completion]:
    """Put an entry, or keep the samples that a search drew; return what the next search finds."""

    async def main() -> list[Completion]:
        tasks: list[asyncio.Task[None]] = []

        def start(work: Coroutine[object, object, None]) -> None:
            tasks.append(asyncio.ensure_future(work))

        store = SampleStore(MemoryCache(), Encryption(None), seconds, start)
        if put is not None:
            await store.cache.put(KEY, put)
        async with store.open(KEY, reads=True, keeps=True, vocab_size=100) as stock:
            stock.drawn += drawn
        for task in tasks:
            await task
        async with store.open(KEY, reads=True, keeps=True, vocab_size=100) as stock:
            return (
                stock.take([PROMPT] * 999)[0] if drawn else [one for found in stock.earlier.values() for one in found]
            )

    return asyncio.run(main())


@pytest.mark.parametrize(
    "fields",
    [
        {"token_ids": (4, 5), "prompt_tokens": 9, "tokens_known": False, "warnings": ("beware",)},
        {"stopped_by": "END", "content": "so", "tool_calls": (ToolCall("f", '{"a":1}'),)},
        {"logprobs": [TokenLogprob(4, "s", -0.5, (TokenLogprob(5, "t", -math.inf),)), TokenLogprob(6, "o", -1.0)]},
        {"native": {"message": {"content": "so"}, "finish_reason": "stop", "logprobs": None}},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_sample_is_found_as_it_was_drawn(fields):
    (found,) = run_store(drawn=(build_sample(**fields),))
    expected = build_sample(**fields, reused=True)
    assert (found, found.native) == (expected, expected.native)


def test_sample_that_is_no_json_is_left_out():
    good = build_sample(text="good")
    samples = (build_sample(text="\ud800"), build_sample(native=object()), build_sample(native={"a": 1j}), good)
    assert [sample.text for sample in run_store(drawn=samples)] == ["good"]


def test_valid_entry_is_read():
    assert len(run_store(put=orjson.dumps([VALID]), seconds=10**11)) == 1


@pytest.mark.parametrize(
    "put",
    [
        b"",
        b"\xff",
        b"{",
        b"[" * 100_000,
        b"null",
        b"[1]",
        orjson.dumps([VALID] * (MAX_SAMPLES + 1)),
        *(
            orjson.dumps([VALID | fields])
            for fields in (
                {"text": 1},
                {"text": None},
                {"token_ids": [100]},
                {"token_ids": [-1]},
                {"token_ids": ["1"]},
                {"completion_tokens": -1},
                {"completion_tokens": 1.5},
                {"tool_calls": [["f"]]},
                {"tool_calls": [["f", 1]]},
                {"native": [1]},
                {"more": 1},
                {"logprobs": VALID["logprobs"] | {"ids": [1]}},
                {"logprobs": VALID["logprobs"] | {"starts": [1, 2]}},
                {"logprobs": VALID["logprobs"] | {"starts": [0, 0]}},
                {"logprobs": VALID["logprobs"] | {"starts": [0, 3]}},
                {"logprobs": VALID["logprobs"] | {"starts": []}},
                {"logprobs": VALID["logprobs"] | {"ids": [1, 2, 2**63]}},
            )
        ),
    ],
    ids=lambda put: put[:60].decode(errors="replace"),
)
def test_broken_entry_is_a_miss(put):
    assert run_store(put=put, seconds=10**11) == []


@pytest.mark.parametrize("created", [0, 10**11])
def test_sample_lives_as_long_as_an_answer_since_it_was_drawn(created):
    """One is too old, and one is from the future: the wall clock was set back."""
    assert run_store(put=orjson.dumps([VALID | {"created": created}]), seconds=60) == []


def test_samples_of_one_question_are_limited_in_number_and_in_bytes():
    assert len(orjson.loads(join_samples([b"1"] * 1000))) == MAX_SAMPLES
    large = b'"' + b"a" * 100_000 + b'"'
    joined = join_samples([large] * 100)
    assert len(joined) <= MAX_ENTRY_BYTES and len(orjson.loads(joined)) == MAX_ENTRY_BYTES // len(large)
    assert join_samples([]) == b"[]"


def test_failed_search_keeps_nothing():
    async def main() -> SampleStock:
        store = SampleStore(MemoryCache(), Encryption(None), 60, lambda work: work.close())
        with pytest.raises(ZeroDivisionError):
            async with store.open(KEY, reads=True, keeps=True, vocab_size=None) as stock:
                stock.drawn.append(build_sample())
                raise ZeroDivisionError
        async with store.open(KEY, reads=True, keeps=True, vocab_size=None) as stock:
            return stock

    assert asyncio.run(main()).earlier == {}


def test_slower_request_does_not_bring_back_what_a_refresh_replaced():
    async def main() -> list[str]:
        tasks: list[asyncio.Task[None]] = []
        store = SampleStore(MemoryCache(), Encryption(None), 60, lambda work: tasks.append(asyncio.ensure_future(work)))

        async def keep(text: str, *, reads: bool) -> None:
            async with store.open(KEY, reads=reads, keeps=True, vocab_size=100) as stock:
                stock.drawn.append(build_sample(text=text))

        async def settle() -> None:
            while tasks:
                await tasks.pop()

        await keep("old", reads=True)
        await settle()
        async with store.open(KEY, reads=True, keeps=True, vocab_size=100) as slow:
            await keep("fresh", reads=False)
            await settle()
            slow.drawn.append(build_sample(text="late"))
        await settle()
        async with store.open(KEY, reads=True, keeps=False, vocab_size=100) as stock:
            return [one.text for found in stock.earlier.values() for one in found]

    assert asyncio.run(main()) == ["fresh", "late"]
