"""POST /v1/responses with a stream, read by the official client."""

import threading

import httpx
import openai
import pytest

from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import eventually, live
from tests.server.api.responses_client import QUESTION, ask, events

pytestmark = pytest.mark.live
NAMES = ["chain_of_thought", "self_consistency", "best_of_n", "beam_search"]
BOXED = "so it is \\boxed{42}"


def answers(*numbers):
    return ScriptedEngine([f"so it is \\boxed{{{number}}}" for number in numbers])


@pytest.mark.parametrize("model", ["scripted", *(f"scripted@{name}" for name in NAMES)])
def test_official_client_reads_the_stream_of_every_strategy(model):
    with live(answers(42)) as server:
        read = list(server.client().responses.create(model=model, input=QUESTION, stream=True))
    assert [event.sequence_number for event in read] == list(range(len(read)))
    assert read[0].type == "response.created" and read[-1].type == "response.completed"
    deltas = [event.delta for event in read if event.type == "response.output_text.delta"]
    assert "".join(deltas) == read[-1].response.output_text == BOXED


@pytest.mark.parametrize("model", ["scripted", *(f"scripted@{name}" for name in NAMES)])
def test_client_stream_helper_assembles_the_response(model):
    with live(answers(42)) as server, server.client().responses.stream(model=model, input=QUESTION) as stream:
        snapshots = [event.snapshot for event in stream if event.type == "response.output_text.delta"]
        assert stream.get_final_response().output_text == snapshots[-1] == BOXED


def test_client_stream_helper_reads_separate_reasoning():
    options = {"strategy": {"name": "chain_of_thought", "reasoning": "separate"}}
    with (
        live(answers(42)) as server,
        server.client().responses.stream(model="scripted", input=QUESTION, extra_body=options) as stream,
    ):
        reasoning, message = stream.get_final_response().output
    assert reasoning.content[0].text == BOXED and message.content[0].text == "42"


async def test_asynchronous_stream_helper_assembles_the_response():
    with live(answers(42)) as server:
        async with (
            openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client,
            client.responses.stream(model="scripted@chain_of_thought", input=QUESTION) as stream,
        ):
            assert (await stream.get_final_response()).cogitate["answer"] == "42"


def test_events_are_in_order():
    with live(answers(42)) as server:
        read = events(ask(server, stream=True, strategy="self_consistency"))
    assert [event["type"].removeprefix("response.") for event in read] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert len({event["response"]["id"] for event in read if "response" in event}) == 1
    assert read[0]["response"]["status"] == "in_progress" and read[0]["response"]["output"] == []
    assert read[-1]["response"]["output"] == [read[-2]["item"]]


def test_streamed_response_equals_the_complete_one():
    with live(answers(42)) as server:
        complete = ask(server, strategy="self_consistency").json()
        again = events(ask(server, strategy="self_consistency", stream=True, cache="refresh"))[-1]["response"]
    for body in (complete, again):
        for own in ("id", "created_at", "completed_at"):
            del body[own]
        body["cogitate"]["trace_id"] = body["output"][0]["id"] = ""
    assert complete == again


def test_chain_of_thought_is_streamed_as_it_is_decoded():
    with live(ScriptedEngine(["one two three \\boxed{4}"], pace=0.01)) as server:
        read = events(ask(server, stream=True, strategy="chain_of_thought"))
    assert [event["delta"] for event in read if "delta" in event] == ["one", " two", " three", " \\boxed{4}"]


@pytest.mark.parametrize(("reasoning", "content"), [("separate", "42"), ("hidden", "42"), ("inline", BOXED)])
def test_reasoning_option_places_streamed_reasoning(reasoning, content):
    strategy = {"name": "chain_of_thought", "reasoning": reasoning}
    with live(answers(42)) as server:
        read = events(ask(server, stream=True, strategy=strategy))
    texts = {"response.output_text.delta": "", "response.reasoning_text.delta": ""}
    for event in read:
        if "delta" in event:
            texts[event["type"]] += event["delta"]
    assert texts == {
        "response.output_text.delta": content,
        "response.reasoning_text.delta": BOXED if reasoning == "separate" else "",
    }
    done = [event["item"] for event in read if event["type"] == "response.output_item.done"]
    assert done == read[-1]["response"]["output"]


def test_progress_events_reach_the_official_client_on_request():
    options = {"name": "self_consistency", "n": 3}
    with live(answers(41, 42, 42)) as server:
        quiet = events(ask(server, stream=True, strategy=options, cache="no-store"))
        with server.client().responses.stream(
            model="scripted",
            input=QUESTION,
            extra_body={"strategy": options, "stream_options": {"include_progress": True}, "cache": "no-store"},
        ) as stream:
            loud = [event.cogitate["event"] for event in stream if event.type == "cogitate.progress"]
            assert stream.get_final_response().cogitate["answer"] == "42"
    assert {"sampled", "answer", "leading"} <= set(loud)
    assert not [event for event in quiet if event["type"] == "cogitate.progress"]


def test_stream_of_a_truncated_answer_ends_as_incomplete():
    with live(ScriptedEngine(["one two three four"])) as server:
        last = events(ask(server, stream=True, strategy="chain_of_thought", max_output_tokens=2))[-1]
    assert last["type"] == "response.incomplete" and last["response"]["status"] == "incomplete"


def test_stream_of_a_cached_answer_equals_the_first_one():
    with live(answers(42)) as server:
        ask(server, strategy="self_consistency")
        made = len(server.engine.calls)
        replayed = ask(server, stream=True, strategy="self_consistency")
        assert len(server.engine.calls) == made and replayed.headers["x-cache"] == "hit"
    read = events(replayed)
    assert "".join(event.get("delta", "") for event in read) == BOXED
    assert len({event["response"]["id"] for event in read if "response" in event}) == 1


@pytest.mark.parametrize("reply", [RuntimeError("secret detail"), SampleFailed("secret detail")])
def test_failure_after_the_first_byte_is_the_last_event_and_raises_in_the_client(reply):
    with live(ScriptedEngine([reply])) as server:
        response = ask(server, stream=True, strategy="self_consistency")
        assert response.status_code == 200 and "secret" not in response.text
        read = events(response)
        assert [event["type"] for event in read] == ["response.created", "response.in_progress", "error"]
        assert read[-1]["sequence_number"] == 2 and read[-1]["message"] == read[-1]["error"]["message"]
        with pytest.raises(openai.APIError):
            list(server.client().responses.create(model="scripted@self_consistency", input=QUESTION, stream=True))


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("fields", [{"strategy": "self_consistency"}, {}], ids=["strategy", "plain"])
def test_dropped_connection_aborts_every_decode(stream, fields):
    with live(ScriptedEngine(["x"], pace=30)) as server:
        with pytest.raises(httpx.TimeoutException):
            ask(server, timeout=0.3, stream=stream, **fields)
        eventually(lambda: server.engine.running == 0 and not server.service.jobs.live)
        assert server.engine.cancelled > 0


def test_stream_of_a_cancelled_request_ends_with_an_error_event():
    with live(ScriptedEngine(["x"], pace=30)) as server:
        heard = []
        asked = {"stream": True, "strategy": "self_consistency"}
        reader = threading.Thread(target=lambda: heard.append(ask(server, {"X-Request-Id": "mine"}, **asked)))
        reader.start()
        eventually(lambda: server.engine.running)
        httpx.post(f"{server.url}/v1/requests/mine/cancel")
        reader.join(5)
    assert events(heard[0])[-1]["code"] == "request_cancelled"
