"""POST /v1/chat/completions over a real socket, by the official client and by plain HTTP."""

import json
import re

import httpx
import openai
import pytest

from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.scripted import ScriptedEngine, ScriptedVerifier
from tests.fakes.backend import ScriptedBackend
from tests.fakes.live_server import HELLO, eventually, live

pytestmark = pytest.mark.live
CHAT = [{"role": "user", "content": "What is 6*7?"}]
NAMES = [
    "chain_of_thought",
    "self_consistency",
    "best_of_n",
    "beam_search",
    "dvts",
    "particle_filter",
    "self_refine",
    "auto",
]


def answers(*numbers):
    return ScriptedEngine([f"so it is \\boxed{{{number}}}" for number in numbers])


def events(response):
    return [json.loads(line[6:]) for line in response.text.split("\n\n") if line.startswith("data: {")]


@pytest.mark.parametrize("strategy", NAMES)
def test_every_strategy_answers_the_official_client(strategy):
    with live(answers(42)) as server:
        completion = server.client().chat.completions.create(
            model="scripted", messages=CHAT, extra_body={"strategy": strategy}
        )
        (choice,) = completion.choices
        assert choice.message.content == "so it is \\boxed{42}" and choice.finish_reason == "stop"
        assert completion.cogitate["strategy"] == strategy and completion.cogitate["answer"] == "42"
        assert completion.usage.completion_tokens == server.engine.decoded
        assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
        assert completion.id.startswith("chatcmpl-") and completion.object == "chat.completion"


@pytest.mark.parametrize("strategy", NAMES)
def test_every_strategy_streams_to_the_official_client(strategy):
    with live(answers(42)) as server:
        stream = server.client().chat.completions.create(
            model=f"scripted@{strategy}", messages=CHAT, stream=True, stream_options={"include_usage": True}
        )
        chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert len({chunk.id for chunk in chunks}) == 1 and {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "so it is \\boxed{42}"
    *_, last, usage = chunks
    assert last.choices[0].finish_reason == "stop" and last.cogitate["answer"] == "42"
    assert usage.choices == [] and usage.usage.completion_tokens == server.engine.decoded


def test_stream_consists_of_events_up_to_done():
    with live(answers(42)) as server:
        response = server.ask(stream=True, strategy="self_consistency")
    assert response.headers["content-type"].startswith("text/event-stream")
    assert re.fullmatch(r"(data: [^\n]+\n\n|: [^\n]*\n\n)*data: \[DONE\]\n\n", response.text)


def test_chain_of_thought_is_streamed_as_it_is_decoded():
    with live(ScriptedEngine(["one two three \\boxed{4}"], pace=0.01)) as server:
        texts = [e["choices"][0]["delta"].get("content") for e in events(server.ask(stream=True, strategy=NAMES[0]))]
    assert [text for text in texts if text] == ["one", " two", " three", " \\boxed{4}"]


@pytest.mark.parametrize(
    ("reasoning", "content", "reasons"),
    [("inline", "so it is \\boxed{42}", None), ("separate", "42", "so it is \\boxed{42}"), ("hidden", "42", None)],
)
@pytest.mark.parametrize("strategy", NAMES)
def test_reasoning_option_places_the_reasoning(strategy, reasoning, content, reasons):
    with live(answers(42)) as server:
        message = server.ask(strategy={"name": strategy, "reasoning": reasoning}).json()["choices"][0]["message"]
        assert (message["content"], message.get("reasoning_content")) == (content, reasons)
        streamed = events(server.ask(strategy={"name": strategy, "reasoning": reasoning}, stream=True, cache="refresh"))
        deltas = [event["choices"][0]["delta"] for event in streamed if event["choices"]]
        assert "".join(delta.get("content") or "" for delta in deltas) == content
        assert "".join(delta.get("reasoning_content") or "" for delta in deltas) == (reasons or "")


def test_progress_is_sent_only_on_request():
    with live(answers(41, 42, 42)) as server:
        options = {"include_progress": True}
        loud = events(server.ask(stream=True, strategy="self_consistency", stream_options=options, cache="no-store"))
        quiet = events(server.ask(stream=True, strategy="self_consistency", cache="no-store"))
    news = [event["cogitate"]["event"] for event in loud if event.get("cogitate", {}).get("event")]
    assert {"sampled", "answer", "leading"} <= set(news)
    assert all(event["choices"][0]["delta"] == {} for event in loud if "event" in event.get("cogitate", {}))
    assert [event for event in quiet if "event" in event.get("cogitate", {})] == []


def test_early_stop_is_reported_and_billed():
    engine = ScriptedEngine(["\\boxed{42} it is"], pace=lambda call: 0.001 if call < 4 else 0.05)
    with live(engine) as server:
        body = server.ask(strategy={"name": "self_consistency", "n": 16, "concurrency": 16}).json()
        found = body["cogitate"]
        assert (found["stopped"], found["candidates"], found["aborted"]) == ("decided", 4, 12)
        assert found["agreement"] == 1.0 and body["usage"]["completion_tokens"] == engine.decoded
        assert engine.running == 0


def test_return_candidates_adds_samples():
    with live(answers(41, 42, 42)) as server:
        options = {"name": "self_consistency", "n": 3, "stop_rule": "none", "return_candidates": True}
        samples = server.ask(strategy=options).json()["cogitate"]["samples"]
    assert [sample["answer"] for sample in samples] == ["41", "42", "42"]
    assert [sample["chosen"] for sample in samples] == [False, True, False]
    assert set(samples[0]) == {"text", "answer", "score", "tokens", "finish_reason", "chosen"}


def test_sample_score_is_the_aggregated_verifier_score():
    steps = ScriptedVerifier(lambda text: [0.9, 0.4 if "41" in text else 0.7], aggregation="min")
    with live(answers(41, 42), backend=lambda engine: ScriptedBackend(engine, {"reward": steps})) as server:
        options = {"name": "best_of_n", "n": 2, "verifier": "reward", "return_candidates": True}
        found = server.ask(strategy=options).json()["cogitate"]
    assert [(sample["score"], sample["chosen"]) for sample in found["samples"]] == [(0.4, False), (0.7, True)]
    assert found["score"] == 0.7


def test_deadline_returns_the_best_so_far_and_marks_it():
    engine = ScriptedEngine(["\\boxed{42}"], pace=lambda call: 0.001 if call < 2 else 9)
    with live(engine) as server:
        body = server.ask(strategy={"name": "self_consistency", "stop_rule": "none"}, budget={"seconds": 0.3}).json()
        assert body["cogitate"]["stopped"] == "deadline" and body["cogitate"]["answer"] == "42"
        assert body["choices"][0]["finish_reason"] == "length"
        assert body["usage"]["completion_tokens"] == engine.decoded


def test_budget_without_a_strategy_is_rejected():
    with live(answers(1)) as server:
        rejected = server.ask(budget={"seconds": 5})
        assert (rejected.status_code, rejected.json()["error"]["param"]) == (400, "budget")


@pytest.mark.parametrize("strategy", NAMES)
def test_deadline_before_the_first_token_is_a_504(strategy):
    with live(ScriptedEngine(["x"], pace=9)) as server:
        rejected = server.ask(budget={"seconds": 0.1}, strategy=strategy)
        assert (rejected.status_code, rejected.json()["error"]["code"]) == (504, "deadline_exceeded")
        assert rejected.headers["x-should-retry"] == "false" and server.engine.running == 0


@pytest.mark.parametrize("strategy", NAMES)
def test_token_budget_returns_the_best_so_far(strategy):
    engine = ScriptedEngine(["one two three four five six seven eight"])
    with live(engine) as server:
        body = server.ask(strategy=strategy, budget={"tokens": 6}).json()
        assert body["cogitate"]["stopped"] == "budget" and body["choices"][0]["message"]["content"]
        assert body["usage"]["completion_tokens"] == engine.decoded <= 6


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("strategy", [*NAMES, None])
def test_dropped_connection_aborts_every_decode(stream, strategy):
    with live(ScriptedEngine(["x"], pace=30)) as server:
        with pytest.raises(httpx.TimeoutException):
            server.ask(timeout=0.3, stream=stream, **({"strategy": strategy} if strategy else {}))
        eventually(lambda: server.engine.running == 0 and not server.service.jobs.live)
        assert server.engine.cancelled > 0


def test_failure_after_the_first_byte_is_an_error_event_without_done():
    with live(ScriptedEngine([RuntimeError("secret detail")])) as server:
        response = server.ask(stream=True, strategy="self_consistency")
        assert response.status_code == 200 and "[DONE]" not in response.text and "secret" not in response.text
        assert events(response)[-1]["error"]["type"] == "server_error"
        with pytest.raises(openai.APIError):
            list(server.client().chat.completions.create(model="scripted@self_consistency", messages=CHAT, stream=True))


def test_unforeseen_error_is_a_500_without_details():
    with live(ScriptedEngine([RuntimeError("secret detail")])) as server:
        response = server.ask(strategy="self_consistency")
        assert response.status_code == 500 and "secret" not in response.text
        assert response.headers["x-should-retry"] == "false"


def test_loss_of_all_samples_is_a_502():
    with live(ScriptedEngine([SampleFailed("gone")])) as server:
        assert server.ask(strategy="self_consistency").status_code == 502


def test_cached_answer_is_replayed_complete_and_streamed():
    with live(answers(42)) as server:
        first = server.ask(strategy="self_consistency").json()
        calls = len(server.engine.calls)
        again = server.ask(strategy="self_consistency")
        streamed = server.ask(strategy="self_consistency", stream=True)
        assert len(server.engine.calls) == calls and again.headers["x-cache"] == "hit"
        assert again.json()["choices"] == first["choices"] and again.json()["id"] != first["id"]
        assert (first["cogitate"]["cache"], again.json()["cogitate"]["cache"]) == ("miss", "hit")
        assert events(streamed)[-1]["cogitate"]["cache"] == "hit" and streamed.text.endswith("data: [DONE]\n\n")


def test_no_store_and_refresh_decode_again():
    with live(answers(42)) as server:
        for cache in ("no-store", "no-store", "refresh", "refresh", "default"):
            server.ask(strategy={"name": "self_consistency", "n": 1}, cache=cache)
        assert len(server.engine.calls) == 4


def test_answer_that_was_cut_short_is_not_cached():
    with live(ScriptedEngine(["one two three four"])) as server:
        for _ in range(2):
            assert server.ask(strategy="self_consistency", budget={"tokens": 5}).headers.get("x-cache") is None


def test_plain_request_is_cached_only_if_it_repeats_exactly():
    with live(answers(42)) as server:
        for fields in ({}, {}, {"temperature": 0}, {"temperature": 0}, {"seed": 1}, {"seed": 1}):
            server.ask(**fields)
        assert len(server.engine.calls) == 4


def test_plain_request_returns_the_engines_own_answer():
    with live(answers(42)) as server:
        plain = server.client().chat.completions.create(model="scripted", messages=CHAT)
        streamed = list(server.client().chat.completions.create(model="scripted", messages=CHAT, stream=True))
    assert plain.choices[0].message.content == "so it is \\boxed{42}" and not hasattr(plain, "cogitate")
    assert "".join(chunk.choices[0].delta.content or "" for chunk in streamed) == "so it is \\boxed{42}"


def test_request_above_the_limit_is_a_429_at_once():
    with live(ScriptedEngine(["x"], pace=0.5), max_concurrent_requests=1) as server:
        with httpx.stream(
            "POST", f"{server.url}/v1/chat/completions", json=HELLO | {"strategy": NAMES[1], "stream": True}
        ):
            eventually(lambda: server.engine.running)
            rejected = server.ask(strategy="self_consistency", seed=2)
        assert rejected.status_code == 429 and int(rejected.headers["retry-after"]) >= 1
        assert rejected.json()["error"]["code"] == "rate_limit_exceeded"


def test_context_that_is_too_long_has_the_code_of_openai():
    with live(answers(1), backend=lambda engine: ScriptedBackend(engine, max_model_len=5)) as server:
        with pytest.raises(openai.BadRequestError) as rejected:
            server.client().chat.completions.create(model="scripted@self_consistency", messages=CHAT)
        assert (rejected.value.code, rejected.value.param) == ("context_length_exceeded", "messages")
