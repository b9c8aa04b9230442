"""A span for each decode of a search, below that of its request, with what was found out about it."""

import asyncio

import orjson
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from cogitate.strategies import STRATEGIES
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.scripted import ScriptedEngine, ScriptedVerifier
from tests.fakes.backend import ScriptedBackend
from tests.fakes.traced import CLIENT_SPAN, TRACE_ID, TRACEPARENT, Traced, traced
from tests.fakes.upstream import Script
from tests.server.engine.remote.fakes import eventually, remote_backend
from tests.server.http.test_server_spans import find_parents
from tests.strategies.decisions.letters import build_engine
from tests.strategies.test_program_aided import program

ANSWERS = ["so it is \\boxed{42}", "so it is \\boxed{42}", "perhaps \\boxed{41}"]
VOTE = {"name": "self_consistency", "n": 3, "stop_rule": "none"}


def find_events(span: ReadableSpan, name: str) -> list[dict]:
    return [dict(event.attributes) for event in span.events if event.name == name]


async def fetch_decodes(server: Traced, response) -> list[dict]:
    """The decodes in the trace of a search."""
    trace = (await server.client.get(f"/v1/traces/{response.headers['x-request-id']}")).json()
    return [event for event in trace["events"] if event["kind"] == "decode"]


async def test_each_decode_of_a_vote_is_a_child_of_the_server_span_with_its_tokens():
    async with traced(ScriptedBackend(ScriptedEngine(ANSWERS))) as server:
        response = await server.ask(strategy=VOTE, headers={"traceparent": TRACEPARENT}, seed=3, temperature=0.8)
        decodes = await fetch_decodes(server, response)
    parent, spans, usage = server.server_span, server.decodes, response.json()["usage"]
    assert parent.name == "chat scripted" and f"{parent.parent.span_id:016x}" == CLIENT_SPAN
    assert [span.name for span in spans] == ["chat scripted"] * 3 and len({span.context.span_id for span in spans}) == 3
    for span, decode in zip(spans, decodes, strict=True):
        assert span.kind is SpanKind.CLIENT and span.parent.span_id == parent.context.span_id
        assert f"{span.context.trace_id:032x}" == TRACE_ID and not span.parent.is_remote
        assert parent.start_time <= span.start_time <= span.end_time <= parent.end_time
        attributes = span.attributes
        assert attributes["gen_ai.operation.name"] == "chat" and attributes["gen_ai.provider.name"] == "vllm"
        assert attributes["gen_ai.request.model"] == "scripted" and attributes["gen_ai.request.seed"] == decode["seed"]
        assert attributes["gen_ai.request.temperature"] == 0.8
        assert attributes["gen_ai.usage.output_tokens"] == decode["tokens"]
        assert attributes["gen_ai.usage.input_tokens"] == decode["prompt_tokens"]
        assert attributes["gen_ai.response.finish_reasons"] == ("stop",)
        assert attributes["cogitate.role"] == "candidate" and attributes["cogitate.aborted"] is False
    assert sum(span.attributes["gen_ai.usage.output_tokens"] for span in spans) == usage["completion_tokens"]


async def test_server_span_has_the_bill_and_the_end_of_the_search_and_no_usage_of_its_own():
    async with traced(ScriptedBackend(ScriptedEngine(ANSWERS))) as server:
        usage = (await server.ask(strategy=VOTE)).json()["usage"]
    attributes = server.server_span.attributes
    assert attributes["cogitate.strategy"] == "self_consistency" and attributes["cogitate.stopped"] == "completed"
    assert attributes["cogitate.usage.output_tokens"] == usage["completion_tokens"]
    assert attributes["cogitate.usage.input_tokens"] == usage["prompt_tokens"]
    assert attributes["cogitate.agreement"] == pytest.approx(2 / 3) and attributes["cogitate.candidates"] == 3
    assert not [name for name in attributes if name.startswith("gen_ai.usage")], "a backend would count tokens twice"


async def test_each_read_of_a_decision_is_a_child_of_the_server_span_which_has_their_total():
    question = {"type": "predicate", "instructions": "Is it?"}
    async with traced(ScriptedBackend(build_engine(lambda name: 1.0))) as server:
        body = {"model": "scripted", "input": "x", "questions": [question, question]}
        response = await server.client.post("/v1/decisions", json=body, headers={"traceparent": TRACEPARENT})
    answer, parent, spans = response.json(), server.server_span, server.decodes
    usage = answer["usage"]
    assert len(spans) == answer["cogitate"]["reads"] == 4
    assert [span.attributes["cogitate.index"] for span in spans] == [0, 1, 2, 3]
    for span in spans:
        assert span.parent.span_id == parent.context.span_id and f"{span.context.trace_id:032x}" == TRACE_ID
        assert span.name == "chat scripted" and span.attributes["cogitate.role"] == "read"
        assert parent.start_time <= span.start_time <= span.end_time <= parent.end_time
    assert sum(span.attributes["gen_ai.usage.input_tokens"] for span in spans) == usage["input_tokens"]
    assert sum(span.attributes["gen_ai.usage.output_tokens"] for span in spans) == usage["output_tokens"]
    assert parent.attributes["cogitate.usage.input_tokens"] == usage["input_tokens"]
    assert not [name for name in parent.attributes if name.startswith("gen_ai.usage")], "would be counted twice"


async def test_reads_of_a_decision_that_the_engine_loses_are_errors():
    engine, replies = build_engine(lambda name: 1.0), iter([SampleFailed("lost"), "A"])
    engine.replies = lambda prompt, sampling: next(replies)
    async with traced(ScriptedBackend(engine)) as server:
        question = {"type": "predicate", "instructions": "Is it?"}
        body = {"model": "scripted", "input": "x", "questions": [question]}
        response = await server.client.post("/v1/decisions", json=body)
    assert response.status_code == 200, response.text
    lost = [span for span in server.decodes if span.status.status_code is StatusCode.ERROR]
    assert [span.attributes["error.type"] for span in lost] == ["sample_failed"]
    assert [span.status.description for span in lost] == ["lost"]


async def test_votes_are_events_with_their_class_and_the_chosen_one_is_marked():
    async with traced(ScriptedBackend(ScriptedEngine(ANSWERS))) as server:
        await server.ask(strategy=VOTE)
    votes = [find_events(span, "cogitate.vote") for span in server.decodes]
    assert [[vote["cogitate.vote.class"] for vote in each] for each in votes] == [[0], [0], [2]]
    assert [span.attributes.get("cogitate.chosen") for span in server.decodes].count(True) == 1


async def test_verdicts_are_evaluation_events_on_the_candidates_span():
    verifier = ScriptedVerifier(lambda text: 0.9 if "42" in text else 0.1)
    backend = ScriptedBackend(ScriptedEngine(ANSWERS), verifiers={"scripted": verifier})
    async with traced(backend) as server:
        await server.ask(strategy={"name": "best_of_n", "n": 3, "verifier": "scripted"})
    results = [find_events(span, "gen_ai.evaluation.result") for span in server.decodes]
    assert [result["gen_ai.evaluation.score.value"] for (result,) in results] == [0.9, 0.9, 0.1]
    assert {result["gen_ai.evaluation.name"] for (result,) in results} == {"scripted"}


async def test_lost_verdict_is_an_event_without_a_score():
    verifier = ScriptedVerifier(lambda text: SampleFailed("lost"))
    backend = ScriptedBackend(ScriptedEngine(ANSWERS), verifiers={"scripted": verifier})
    async with traced(backend) as server:
        assert (await server.ask(strategy={"name": "best_of_n", "n": 2, "verifier": "scripted"})).status_code == 200
    events = [each for span in server.decodes for each in find_events(span, "gen_ai.evaluation.result")]
    assert all("gen_ai.evaluation.score.value" not in each for each in events)


async def test_failed_decode_has_an_error_and_the_others_have_none():
    engine = ScriptedEngine(["so it is \\boxed{42}", SampleFailed("the replica is gone"), "so it is \\boxed{42}"])
    async with traced(ScriptedBackend(engine)) as server:
        assert (await server.ask(strategy=VOTE)).status_code == 200
    assert [span.status.status_code for span in server.decodes] == [
        StatusCode.UNSET,
        StatusCode.ERROR,
        StatusCode.UNSET,
    ]
    lost = server.decodes[1]
    assert lost.status.description == "the replica is gone" and lost.attributes["error.type"] == "sample_failed"
    assert server.server_span.status.status_code is StatusCode.UNSET


async def test_search_that_fails_altogether_is_an_error_of_the_request():
    async with traced(ScriptedBackend(ScriptedEngine([SampleFailed("gone")]))) as server:
        assert (await server.ask(strategy=VOTE)).status_code == 502
    assert server.server_span.status.status_code is StatusCode.ERROR
    assert len(server.decodes) == 3 and server.server_span.attributes["http.response.status_code"] == 502


async def test_decodes_that_a_decided_vote_leaves_are_marked_as_aborted():
    engine = ScriptedEngine(
        ["\\boxed{42}", "\\boxed{42}", "a long thought " * 50], pace=lambda call: 0.02 * (call == 2)
    )
    async with traced(ScriptedBackend(engine)) as server:
        strategy = {"name": "self_consistency", "n": 3, "stop_rule": "certain", "concurrency": 3}
        body = (await server.ask(strategy=strategy)).json()
    assert body["cogitate"]["aborted"] >= 1
    aborted = [span for span in server.decodes if span.attributes["cogitate.aborted"]]
    assert len(aborted) == body["cogitate"]["aborted"]
    for span in aborted:
        assert span.attributes["gen_ai.response.finish_reasons"] == ("abort",)
        assert span.status.status_code is StatusCode.UNSET


async def test_cancelled_request_marks_its_decodes_and_is_no_failure_of_the_servers():
    engine = ScriptedEngine(["a very long thought " * 100], pace=0.01)
    async with traced(ScriptedBackend(engine)) as server:
        asking = asyncio.create_task(server.ask(strategy=VOTE, headers={"x-request-id": "mine"}))
        await eventually(lambda: engine.running == 3)
        await server.client.post("/v1/requests/mine/cancel")
        assert (await asking).status_code == 499
        await eventually(lambda: not server.service.jobs.live)
    span = next(each for each in server.spans if each.attributes.get("cogitate.request_id") == "mine")
    assert span.attributes["error.type"] == "request_cancelled" and span.status.status_code is StatusCode.UNSET
    assert [each.attributes["cogitate.aborted"] for each in server.decodes] == [True] * 3


async def test_step_that_continues_another_is_linked_to_it():
    verifier = ScriptedVerifier(lambda text: (0.5,))
    backend = ScriptedBackend(ScriptedEngine(["one\n\ntwo \\boxed{42}"]), verifiers={"scripted": verifier})
    async with traced(backend) as server:
        response = await server.ask(strategy={"name": "beam_search", "n": 2, "width": 1, "verifier": "scripted"})
        assert response.status_code == 200, response.text
    by_index = {span.attributes["cogitate.index"]: span for span in server.decodes}
    steps = [span for span in server.decodes if "cogitate.parent" in span.attributes]
    assert steps
    for span in steps:
        (link,) = span.links
        assert link.context.span_id == by_index[span.attributes["cogitate.parent"]].context.span_id


async def test_upstream_gets_the_span_of_each_decode_as_its_parent():
    async with remote_backend(Script(texts=ANSWERS)) as (fake, backend), traced(backend, engine="vllm") as server:
        await server.ask(model="fake", strategy=VOTE, seed=4, headers={"traceparent": TRACEPARENT})
    expected = {f"00-{TRACE_ID}-{span.context.span_id:016x}-01" for span in server.decodes}
    assert len(expected) == 3 and set(find_parents(fake)) == expected


async def test_samples_of_one_upstream_call_are_below_the_first_of_them():
    async with remote_backend(Script(texts=ANSWERS), abilities={"n"}) as (fake, backend), traced(backend) as server:
        ask = {"model": "fake", "strategy": VOTE, "temperature": 0.7, "max_tokens": 64}
        await server.ask(**ask, headers={"traceparent": TRACEPARENT})
    first, *others = server.decodes
    assert find_parents(fake) == [f"00-{TRACE_ID}-{first.context.span_id:016x}-01"] and len(others) == 2


async def test_answer_from_the_cache_has_no_decodes():
    async with traced(ScriptedBackend(ScriptedEngine(ANSWERS))) as server:
        for _ in range(2):
            await server.ask(strategy=VOTE)
    assert [span.attributes["cogitate.cache"] for span in server.spans if span.kind is SpanKind.SERVER] == [
        "miss",
        "hit",
    ]
    assert len(server.decodes) == 3


async def test_nothing_of_a_prompt_or_an_answer_is_on_a_span_unless_it_is_asked_for():
    async with traced(ScriptedBackend(ScriptedEngine(["it is \\boxed{Zanzibar}"]))) as server:
        await server.ask(strategy=VOTE)
        await server.ask()
    everything = str([(dict(span.attributes), [dict(e.attributes) for e in span.events]) for span in server.spans])
    assert not [word for word in ("6*7", "boxed", "Zanzibar") if word in everything]


async def test_content_is_recorded_where_it_is_asked_for():
    async with traced(ScriptedBackend(ScriptedEngine(ANSWERS)), content=True) as server:
        await server.ask(strategy=VOTE)
        await server.ask()
    span = server.decodes[0]
    (asked,) = orjson.loads(span.attributes["gen_ai.input.messages"])
    (reply,) = orjson.loads(span.attributes["gen_ai.output.messages"])
    assert asked["role"] == "user" and asked["parts"][0]["content"].startswith("What is 6*7?")
    assert reply["role"] == "assistant" and "\\boxed{42}" in reply["parts"][0]["content"]
    plain = next(span for span in server.spans if span.attributes.get("cogitate.strategy") == "none")
    assert "6*7" in plain.attributes["gen_ai.input.messages"] and "boxed" in plain.attributes["gen_ai.output.messages"]
    assert find_events(span, "cogitate.vote")[0]["cogitate.answer"] == "42"


async def test_programs_are_events_on_their_candidates_span():
    async with traced(ScriptedBackend(ScriptedEngine([program("6 * 7")]))) as server:
        await server.ask(strategy={"name": "program_aided", "n": 2, "stop_rule": "none"})
    runs = [find_events(span, "cogitate.execution") for span in server.decodes]
    assert [run["cogitate.execution.reason"] for (run,) in runs] == ["ok", "ok"]


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
async def test_spans_of_every_strategy_are_its_decodes_and_add_up_to_its_bill(strategy):
    verifier = ScriptedVerifier(lambda text: (0.5,))
    backend = ScriptedBackend(ScriptedEngine(ANSWERS), verifiers={"scripted": verifier})
    async with traced(backend) as server:
        options = {"verifier": "scripted"} if strategy in ("beam_search", "dvts", "particle_filter") else {}
        response = await server.ask(strategy={"name": strategy, **options}, max_tokens=64)
        assert response.status_code == 200, response.text
        decodes = await fetch_decodes(server, response)
    assert len(server.decodes) == len(decodes) > 0
    total = sum(span.attributes["gen_ai.usage.output_tokens"] for span in server.decodes)
    assert total == response.json()["usage"]["completion_tokens"]
    assert [span.attributes["cogitate.role"] for span in server.decodes] == [
        each["role"] for each in sorted(decodes, key=lambda decode: decode["index"])
    ]


async def test_span_of_a_response_in_the_background_waits_for_its_search():
    async with traced(ScriptedBackend(ScriptedEngine(ANSWERS, pace=0.002))) as server:
        body = {"model": "scripted", "input": "What is 6*7?", "background": True, "strategy": VOTE}
        answer = await server.client.post("/v1/responses", json=body)
        assert answer.json()["status"] in ("queued", "in_progress")
        await eventually(lambda: not server.service.jobs.live)
    assert server.server_span.attributes["cogitate.stopped"] == "completed" and len(server.decodes) == 3
    assert max(span.end_time for span in server.decodes) > server.server_span.end_time
