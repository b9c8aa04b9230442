"""Responses in the background: the official client polls, streams, resumes and cancels them."""

import time

import httpx
import openai
import pytest

from cogitate.server.auth.keys import create_key
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.backend import ScriptedBackend
from tests.fakes.live_server import eventually, live
from tests.server.api.responses_client import QUESTION, ask, events

pytestmark = pytest.mark.live
VOTE = {"name": "self_consistency", "n": 2, "stop_rule": "none"}
PATHS = pytest.mark.parametrize("path", [{}, {"strategy": VOTE}], ids=["plain", "strategy"])
BOXED = "so it is \\boxed{42}"


def answers(pace=0.0):
    return ScriptedEngine([BOXED], pace=pace)


def create(client, **fields):
    own = {name: fields.pop(name) for name in ("strategy", "budget", "cache") if name in fields}
    return client.responses.create(model="scripted", **{"input": QUESTION, "background": True} | fields, extra_body=own)


def wait_for(client, response, *statuses):
    end = time.monotonic() + 5
    while (found := client.responses.retrieve(response.id)).status not in statuses:
        assert time.monotonic() < end, found.status
        time.sleep(0.01)
    return found


@PATHS
def test_official_client_polls_a_response_until_it_is_completed(path):
    with live(answers(pace=0.02)) as server:
        client = server.client()
        created = create(client, metadata={"job": "7"}, **path)
        assert (created.status, created.background, created.output, created.usage) == ("queued", True, [], None)
        found = wait_for(client, created, "completed")
        assert found.id == created.id and found.created_at == created.created_at and found.metadata == {"job": "7"}
        assert found.output_text == BOXED and found.completed_at >= found.created_at
        assert found.usage.output_tokens == server.engine.decoded
        assert found == client.responses.retrieve(created.id)


async def test_asynchronous_client_polls_a_response():
    with live(answers()) as server:
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
            found = await client.responses.create(model="scripted", input=QUESTION, background=True)
            while found.status in ("queued", "in_progress"):
                found = await client.responses.retrieve(found.id)
    assert found.output_text == BOXED


def test_response_waits_for_its_turn_as_queued():
    with live(answers(pace=30), max_generations=1) as server:
        client = server.client()
        first = create(client, input="one")
        wait_for(client, first, "in_progress")
        second = create(client, input="two", strategy=VOTE)
        third = create(client, input="three", stream=False)
        time.sleep(0.1)
        assert client.responses.retrieve(second.id).status == client.responses.retrieve(third.id).status == "queued"
        client.responses.cancel(first.id)
        wait_for(client, second, "in_progress")
        assert client.responses.retrieve(third.id).status == "queued"


@PATHS
def test_response_is_cancelled_by_its_id_and_its_decodes_are_aborted(path):
    with live(answers(pace=30)) as server:
        client = server.client()
        created = create(client, **path)
        eventually(lambda: server.engine.running)
        cancelled = client.responses.cancel(created.id)
        assert (cancelled.id, cancelled.status, cancelled.error) == (created.id, "cancelled", None)
        eventually(lambda: server.engine.running == 0 and not server.service.jobs.live)
        assert client.responses.cancel(created.id) == client.responses.retrieve(created.id) == cancelled


def test_response_is_cancelled_by_the_id_of_its_request():
    with live(answers(pace=30)) as server:
        created = ask(server, {"X-Request-Id": "mine"}, background=True, strategy=VOTE).json()
        assert httpx.post(f"{server.url}/v1/requests/mine/cancel").status_code == 200
        wait_for(server.client(), openai.types.responses.Response.model_validate(created), "cancelled")


def test_cancelling_one_of_two_equal_responses_leaves_the_other():
    with live(answers(pace=0.05)) as server:
        client = server.client()
        one, two = create(client, strategy=VOTE), create(client, strategy=VOTE)
        eventually(lambda: server.engine.running)
        assert client.responses.cancel(one.id).status == "cancelled"
        assert wait_for(client, two, "completed").output_text == BOXED and len(server.engine.calls) == 2


def test_response_that_has_ended_cannot_be_cancelled_any_more():
    with live(answers()) as server:
        client = server.client()
        created = create(client, strategy=VOTE)
        completed = wait_for(client, created, "completed")
        assert client.responses.cancel(created.id) == completed


def test_only_a_response_in_the_background_is_cancelled_by_its_id():
    with live(answers()) as server:
        stored = ask(server, store=True).json()
        with pytest.raises(openai.BadRequestError) as refused:
            server.client().responses.cancel(stored["id"])
        assert refused.value.param == "response_id"


@PATHS
@pytest.mark.parametrize("reply", [SampleFailed("secret"), RuntimeError("secret")])
def test_failure_is_the_status_and_the_error_of_the_response(reply, path):
    with live(ScriptedEngine([reply])) as server:
        client = server.client()
        found = wait_for(client, create(client, **path), "failed")
        assert found.error.code == "server_error" and found.error.message and "secret" not in found.model_dump_json()
        assert found.output == [] and found.completed_at is None


def test_answer_that_is_cut_off_is_incomplete():
    with live(ScriptedEngine(["one two three four five"])) as server:
        client = server.client()
        created = create(client, strategy={"name": "chain_of_thought"}, max_output_tokens=2)
        found = wait_for(client, created, "incomplete")
        assert found.incomplete_details.reason == "max_output_tokens" and found.completed_at is None


def test_invalid_request_is_refused_by_a_strategy_and_fails_in_the_engine():
    with live(answers(), backend=lambda engine: ScriptedBackend(engine, max_model_len=5)) as server:
        client = server.client()
        with pytest.raises(openai.BadRequestError) as refused:
            create(client, strategy=VOTE)
        assert (refused.value.code, refused.value.param) == ("context_length_exceeded", "input")
        found = wait_for(client, create(client), "failed")
        assert found.error.code == "invalid_prompt" and "5 tokens" in found.error.message


@PATHS
def test_stream_is_resumed_after_any_event(path):
    with live(answers(pace=0.01)) as server:
        client = server.client()
        with create(client, stream=True, **path) as stream:
            first = [next(stream) for _ in range(3)]
        response_id = first[0].response.id
        assert [event.type for event in first[:2]] == ["response.created", "response.queued"]
        rest = list(client.responses.retrieve(response_id, stream=True, starting_after=first[-1].sequence_number))
        complete = list(client.responses.retrieve(response_id, stream=True))
        assert first + rest == complete and complete[-1].type == "response.completed"
        assert [event.sequence_number for event in complete] == list(range(len(complete)))
        assert complete[-1].response == client.responses.retrieve(response_id)
        assert {event.response.id for event in complete if hasattr(event, "response")} == {response_id}
        last = client.responses.retrieve(response_id, stream=True, starting_after=len(complete) - 2)
        assert list(last) == complete[-1:]
        assert not list(client.responses.retrieve(response_id, stream=True, starting_after=10**6))


def test_client_stream_helper_resumes_a_response():
    with live(answers(pace=0.01)) as server:
        client = server.client()
        with create(client, stream=True, strategy={"name": "chain_of_thought"}) as stream:
            response_id = next(stream).response.id
        with client.responses.stream(response_id=response_id, starting_after=2) as resumed:
            assert {event.type for event in resumed} >= {"response.output_text.delta", "response.completed"}


@PATHS
@pytest.mark.parametrize("stream", [False, True])
def test_response_goes_on_when_its_client_leaves_at_once(stream, path):
    with live(answers(pace=0.05)) as server:
        url = f"{server.url}/v1/responses"
        body = {"model": "scripted", "input": QUESTION, "background": True, "stream": stream} | path
        with httpx.stream("POST", url, json=body) as sent:
            text = next(sent.iter_text())
        response_id = "resp_" + text.partition('"resp_')[2][:32]
        eventually(lambda: httpx.get(f"{url}/{response_id}").json()["status"] == "completed")
        assert server.engine.cancelled == 0


def test_stream_of_a_response_that_is_cancelled_ends():
    with live(answers(pace=30)) as server:
        client = server.client()
        with create(client, stream=True, strategy=VOTE) as stream:
            response_id = next(stream).response.id
            eventually(lambda: server.engine.running)
            client.responses.cancel(response_id)
            last = list(stream)[-1]
    assert (last.type, last.response.status) == ("response.failed", "cancelled")


def test_long_stream_is_sent_in_one_piece_where_the_memory_for_events_is_used_up():
    text = " ".join(map(str, range(2000)))
    for path in ({}, {"strategy": {"name": "chain_of_thought"}}):
        with live(ScriptedEngine([text]), cache_bytes=30_000) as server:
            read = events(ask(server, background=True, stream=True, **path))
        deltas = [event["delta"] for event in read if event["type"] == "response.output_text.delta"]
        assert "".join(deltas) == text and len(deltas) < 200
        assert [event["sequence_number"] for event in read] == list(range(len(read)))


def test_response_counts_in_the_limits_of_its_key(tmp_path):
    keys = tmp_path / "keys"
    key = create_key(keys, "a")
    keys.write_text(keys.read_text().strip() + " generations=2\n")
    with live(answers(pace=30), api_keys_file=keys) as server:
        client = server.client(key)
        created = create(client, strategy=VOTE)
        with pytest.raises(openai.RateLimitError):
            create(client, strategy=VOTE, input="another")
        client.responses.cancel(created.id)
        eventually(lambda: create(client, strategy=VOTE, input="another").status == "queued")


def test_response_is_marked_as_cancelled_where_it_outlasts_the_drain():
    with live(answers(pace=30)) as server:
        created = create(server.client(), strategy=VOTE)
        eventually(lambda: server.engine.running)
        responses = server.service.responses
    assert responses.find(("", created.id)).stored.response["status"] == "cancelled"


def test_response_that_ends_within_the_drain_is_completed():
    with live(answers(pace=0.03)) as server:
        created = create(server.client(), strategy=VOTE)
        responses = server.service.responses
    assert responses.find(("", created.id)).stored.response["status"] == "completed"


@pytest.mark.parametrize("stream", [False, True])
def test_repeated_idempotency_key_is_the_same_response(stream):
    with live(answers(pace=0.02)) as server:
        body = {"background": True, "strategy": VOTE, "stream": stream, "cache": "no-store"}
        one, two = (ask(server, {"Idempotency-Key": "k"}, **body) for _ in range(2))
        made = [events(sent)[0]["response"]["id"] if stream else sent.json()["id"] for sent in (one, two)]
        assert made[0] == made[1]
        if stream:
            assert one.text == two.text
        assert ask(server, {"Idempotency-Key": "k"}, **body | {"input": "another"}).status_code == 422
    assert len(server.engine.calls) == 2


def test_cached_answer_is_completed_at_once():
    with live(answers()) as server:
        client = server.client()
        ask(server, strategy=VOTE)
        created = ask(server, background=True, strategy=VOTE)
        assert created.headers["x-cache"] == "hit"
        found = wait_for(client, openai.types.responses.Response.model_validate(created.json()), "completed")
        assert found.cogitate["cache"] == "hit" and len(server.engine.calls) == 2


def test_deadline_holds_in_the_background():
    with live(answers(pace=30)) as server:
        client = server.client()
        found = wait_for(client, create(client, strategy=VOTE, budget={"seconds": 0.1}), "failed")
        assert "deadline" in found.error.message


def test_background_needs_the_response_to_be_stored():
    with live(answers()) as server:
        refused = ask(server, background=True, store=False)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "background")
        assert "store" in refused.json()["error"]["message"]
