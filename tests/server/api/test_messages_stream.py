"""POST /v1/messages with a stream: Anthropic's events, read by hand and by the official client."""

import contextlib
import threading

import anthropic
import httpx
import pytest

from cogitate.server.api.messages_stream import PING, EventEncoder, relay
from cogitate.server.auth.caller import Caller
from cogitate.server.engine import ModelCard
from cogitate.server.errors import UpstreamError
from cogitate.server.planning.request_plan import build_plan
from cogitate.server.protocol.json import dumps
from cogitate.server.serving.jobs import JobReader, Jobs
from cogitate.server.serving.relay_log import RelayLog
from cogitate.server.settings import Settings
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.types import ToolCall
from tests.fakes.live_server import eventually, live
from tests.server.api.messages_client import FIELDS, TOOL, ask, connect, events, request

BOXED = "so it is \\boxed{42}"
NAMES = ["chain_of_thought", "self_consistency", "best_of_n", "beam_search"]
SEPARATE = {"name": "chain_of_thought", "reasoning": "separate"}
live_only = pytest.mark.live


def kinds(read):
    return [event["type"] for event in read]


@live_only
@pytest.mark.parametrize("strategy", [{}, {"strategy": "self_consistency"}], ids=["plain", "strategy"])
def test_events_are_in_order_with_usage_at_the_end(strategy):
    with live(ScriptedEngine([BOXED])) as server:
        read = events(ask(server, stream=True, **strategy))
    assert kinds(read) == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert read[0]["message"]["content"] == [] and read[0]["message"]["stop_reason"] is None
    last = read[-2]
    assert last["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert last["usage"]["output_tokens"] >= 5 and last["usage"]["input_tokens"] > 0
    assert ("cogitate" in last) == bool(strategy)


@live_only
@pytest.mark.parametrize("model", ["scripted", *(f"scripted@{name}" for name in NAMES)])
def test_official_helper_assembles_the_complete_message(model):
    with live(ScriptedEngine([BOXED])) as server, connect(server) as client:
        complete = client.messages.create(**FIELDS | {"model": model}).to_dict()
        with client.messages.stream(**FIELDS | {"model": model}, extra_body={"cache": "no-store"}) as stream:
            assert "".join(stream.text_stream) == BOXED
            streamed = stream.get_final_message().to_dict()
    assert streamed["usage"]["input_tokens"] == complete["usage"]["input_tokens"] > 0
    for name in ("content", "stop_reason", "model", "role"):
        assert streamed[name] == complete[name]


@live_only
def test_text_is_sent_as_it_is_decoded():
    with live(ScriptedEngine(["one two three \\boxed{4}"], pace=0.01)) as server:
        read = events(ask(server, stream=True, strategy="chain_of_thought"))
    texts = [event["delta"]["text"] for event in read if event["type"] == "content_block_delta"]
    assert texts == ["one", " two", " three", " \\boxed{4}"]


@live_only
def test_separate_reasoning_is_a_thinking_block_before_the_text():
    with live(ScriptedEngine([BOXED])) as server, connect(server) as client:
        with client.messages.stream(**FIELDS, extra_body={"strategy": SEPARATE}) as stream:
            thinking, text = stream.get_final_message().content
        omitted = {"strategy": SEPARATE, "thinking": {"type": "adaptive", "display": "omitted"}}
        read = events(ask(server, stream=True, **omitted))
        complete = ask(server, **omitted).json()["content"][0]
    assert (thinking.thinking, text.text) == (BOXED, "42") and thinking.signature
    deltas = [event["delta"] for event in read if event["type"] == "content_block_delta"]
    assert deltas == [
        {"type": "signature_delta", "signature": complete["signature"]},
        {"type": "text_delta", "text": "42"},
    ]


@live_only
@pytest.mark.parametrize("strategy", [{}, {"strategy": "self_consistency"}], ids=["plain", "strategy"])
def test_calls_are_streamed_as_tool_use(strategy):
    with (
        live(ScriptedEngine([ToolCall("weather", '{"city": "Rome"}')])) as server,
        connect(server) as client,
        client.messages.stream(**FIELDS, tools=[TOOL], extra_body=strategy) as stream,
    ):
        message = stream.get_final_message()
    (call,) = message.content
    assert (message.stop_reason, call.name, call.input) == ("tool_use", "weather", {"city": "Rome"})


@live_only
def test_last_event_of_a_strategy_has_the_cogitate_object_and_the_state_of_the_context():
    with live(ScriptedEngine([BOXED])) as server:
        last = events(ask(server, stream=True, strategy="self_consistency", context_management={"edits": []}))[-2]
    assert last["cogitate"]["answer"] == "42" and last["context_management"] == {"applied_edits": []}


@live_only
@pytest.mark.parametrize("reply", [RuntimeError("secret detail"), SampleFailed("secret detail")])
def test_failure_after_the_first_byte_is_the_last_event_and_raises_in_the_client(reply):
    with live(ScriptedEngine([reply])) as server, connect(server) as client:
        response = ask(server, stream=True, strategy="self_consistency")
        assert response.status_code == 200 and "secret" not in response.text
        read = events(response)
        assert kinds(read) == ["message_start", "ping", "error"]
        assert read[-1]["error"]["type"] == "api_error"
        assert read[-1]["request_id"] == response.headers["request-id"]
        with pytest.raises(anthropic.APIStatusError):
            list(client.messages.create(**FIELDS, stream=True, extra_body={"strategy": "self_consistency"}))


@live_only
def test_stream_of_a_cancelled_request_ends_with_an_error_event():
    with live(ScriptedEngine(["x"], pace=30)) as server:
        heard = []
        asked = {"stream": True, "strategy": "self_consistency", "headers": {"X-Request-Id": "mine"}}
        reader = threading.Thread(target=lambda: heard.append(ask(server, **asked)))
        reader.start()
        eventually(lambda: server.engine.running)
        httpx.post(f"{server.url}/v1/requests/mine/cancel")
        reader.join(5)
    assert events(heard[0])[-1]["error"]["code"] == "request_cancelled"


@live_only
def test_refusal_has_its_status_though_a_stream_was_asked_for():
    with live(ScriptedEngine([BOXED])) as server:
        assert ask(server, stream=True, messages=[{"role": "user", "content": "word " * 5000}]).status_code == 400


@live_only
def test_cached_answer_is_streamed():
    with live(ScriptedEngine([BOXED])) as server:
        ask(server, strategy="self_consistency")
        replayed = ask(server, strategy="self_consistency", stream=True)
    assert replayed.headers["x-cache"] == "hit"
    assert "".join(e["delta"].get("text", "") for e in events(replayed) if "delta" in e) == BOXED


def plan_for(parsed):
    return build_plan(parsed.to_chat(), ModelCard("scripted", "1", 4096, 0), Settings(), {}, Caller())


async def test_engines_own_stream_is_passed_on_with_its_failure_in_anthropics_envelope():
    async def fail(job):
        job.record.emit(PING.decode())
        raise UpstreamError("lost")

    job, reader = Jobs(1).start(RelayLog(), fail), JobReader(Caller())
    with contextlib.suppress(UpstreamError):
        await job.wait_for_acceptance()
    chunks = [chunk async for chunk in relay(plan_for(request()), job, reader)]
    (error,) = events(httpx.Response(200, content=b"".join(chunks[1:])))
    assert chunks[0] == PING and (error["type"], error["error"]["type"]) == ("error", "api_error")


def encoder(**fields):
    parsed = request(stream=True, **fields)
    return EventEncoder(parsed, plan_for(parsed))


def encode(*deltas, finish="stop", stop=None, **fields):
    """Encode a stream with these deltas; return its blocks and the last delta's fields."""
    encoding = encoder(**fields)
    out = b""
    for delta in (*deltas, {}):
        last = {} if delta else {"finish_reason": finish, "stop_reason": stop}
        chunk = {"choices": [{"index": 0, "delta": delta} | last]}
        out += b"".join(encoding.encode(b"data: " + dumps(chunk) + b"\n\n"))
    out += b"" if encoding.has_failed else b"".join(encoding.encode_end())
    return events(httpx.Response(200, content=out))


def blocks(read):
    """The blocks of a stream, assembled. Each must end before the next one begins."""
    made, is_open = [], False
    for event in read:
        if event["type"] == "content_block_start":
            assert not is_open and event["index"] == len(made)
            is_open = True
            made.append([event["content_block"]["type"], ""])
        elif event["type"] == "content_block_delta":
            assert is_open and event["index"] == len(made) - 1
            delta = {name: text for name, text in event["delta"].items() if name not in ("type", "signature")}
            made[-1][1] += "".join(delta.values())
        elif event["type"] == "content_block_stop":
            is_open = False
    assert not is_open
    return [tuple(block) for block in made]


def call(index, arguments, **head):
    return {"index": index, "function": {"arguments": arguments} | ({"name": "f"} if head else {}), **head}


def test_calls_of_one_stream_are_blocks_of_their_own():
    read = encode(
        {"reasoning": "hm"},
        {"content": "I look."},
        {"tool_calls": [call(0, "", id="a")]},
        {"tool_calls": [call(0, '{"x"')]},
        {"tool_calls": [call(0, ":1}"), call(1, "{}", id="b")]},
        finish="tool_calls",
    )
    assert blocks(read) == [("thinking", "hm"), ("text", "I look."), ("tool_use", '{"x":1}'), ("tool_use", "{}")]
    assert read[-2]["delta"]["stop_reason"] == "tool_use"


def test_text_amid_a_call_follows_it():
    read = encode({"tool_calls": [call(0, '{"x"', id="a")]}, {"content": "late"}, {"tool_calls": [call(0, ":1}")]})
    assert blocks(read) == [("tool_use", '{"x":1}'), ("text", "late")]


def test_an_answer_without_content_has_an_empty_text():
    assert blocks(encode({})) == [("text", "")]


def test_thinking_is_not_sent_where_it_is_disabled():
    assert blocks(encode({"reasoning_content": "hm"}, {"content": "x"}, thinking={"type": "disabled"})) == [
        ("text", "x")
    ]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"finish": "length"}, ("max_tokens", None)),
        ({"finish": "content_filter"}, ("refusal", None)),
        ({"stop": "END"}, ("stop_sequence", "END")),
        ({"stop": 128009}, ("end_turn", None)),
        ({"finish": None}, ("end_turn", None)),
    ],
)
def test_reason_of_the_end_is_one_of_anthropics(fields, reason):
    assert tuple(encode({"content": "x"}, **fields)[-2]["delta"].values()) == reason


def test_call_that_a_stop_string_cut_short_is_not_to_be_run():
    cut = encode({"tool_calls": [call(0, '{"x": "', id="a")]}, stop="END")
    complete = encode({"tool_calls": [call(0, "{}", id="a")]}, stop="END")
    assert [read[-2]["delta"]["stop_reason"] for read in (cut, complete)] == ["stop_sequence", "tool_use"]


@pytest.mark.parametrize(
    "deltas",
    [
        [
            {"tool_calls": [call(0, "{", id="a")]},
            {"tool_calls": [call(1, "{", id="b")]},
            {"tool_calls": [call(0, "}")]},
        ],
        [{"tool_calls": [call(0, "{}")]}],
        [{"tool_calls": [call(at, "{}", id=str(at)) for at in range(200)]}],
    ],
    ids=["interleaved", "nameless", "countless"],
)
def test_calls_that_an_upstream_mixes_up_end_the_stream_with_an_error(deltas):
    read = encode(*deltas)
    assert kinds(read)[-1] == "error" and read[-1]["error"]["type"] == "api_error"
