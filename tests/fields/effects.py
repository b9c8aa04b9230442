"""Checks that a field is honoured: each compares the answers to a request with the field and without it.

At temperature 0 and without an instruction in the prompt, every strategy must answer as the plain engine does: the same
with the field, and differently without it.
"""

import json
from collections.abc import Awaitable, Callable

from cogitate.server.engine.vllm.env import DEMO_MODEL_NAME
from cogitate.strategies import STRATEGIES
from tests.fields.requests import BASE, Answer, Body, Rejected, Trial, small

Check = Callable[[Trial], Awaitable[None]]


async def shapes_the_text(trial: Trial) -> None:
    """Every candidate is the plain engine's answer with the field, which differs from the one without it."""
    answer, plain = await trial.with_field(), await trial.without_strategy()
    text = trial.first(answer)
    assert text != trial.first(await trial.without()), "the field changes nothing"
    assert trial.is_as(answer, plain), (answer.text, answer.candidates, plain.text)
    assert text != answer.text or answer.finish == plain.finish


async def binds_the_text(trial: Trial) -> None:
    """The same, and the strategy appends nothing."""
    await shapes_the_text(trial)
    answer = await trial.with_field()
    assert answer.model_text == answer.text


async def changes_nothing(trial: Trial) -> None:
    """The field is accepted, and the answer is the one without it."""
    answer, without = await trial.with_field(), await trial.without()
    assert [_comparable_fields(choice) for choice in answer.choices] == [
        _comparable_fields(choice) for choice in without.choices
    ]
    assert answer.body["usage"]["total_tokens"] == without.body["usage"]["total_tokens"]


async def reports_token_ids(trial: Trial) -> None:
    answer, without = await trial.with_field(), await trial.without()
    assert len(answer.choices[0]["token_ids"]) == BASE["max_tokens"]
    assert not without.choices[0].get("token_ids")


async def selects_the_model(trial: Trial) -> None:
    name = f"{DEMO_MODEL_NAME}@{trial.strategy}" if trial.strategy else DEMO_MODEL_NAME
    named = await trial.server.ask({**trial.body(), "strategy": None, "model": name, "max_tokens": 4})
    assert named.body["model"] == name
    assert trial.strategy is None or named.body["cogitate"]["strategy"] == trial.strategy
    response = await trial.server.client.post(
        f"{trial.server.url}/v1/chat/completions", json=trial.body(model="nobody")
    )
    assert (response.status_code, response.json()["error"]["param"]) == (404, "model")


async def limits_the_answer(trial: Trial) -> None:
    limit = trial.value
    answer, longer = await trial.with_field(), await trial.without(max_tokens=BASE["max_tokens"])
    assert isinstance(limit, int) and answer.finish == "length" and longer.text != answer.text
    assert all(longer.text.startswith(text) for text in trial.candidates(answer))
    assert set(trial.lengths(answer)) == {limit}


async def prolongs_the_answer(trial: Trial) -> None:
    """The answer ends sooner without it."""
    answer, without = await trial.with_field(), await trial.without()
    least = trial.value if trial.name == "min_tokens" else trial.body()["max_tokens"]
    assert without.finish == "stop" and isinstance(least, int)
    assert min(trial.lengths(answer)) >= least and answer.text != without.text


async def repeats(trial: Trial) -> None:
    first, again, other = await trial.send_again(), await trial.send_again(), await trial.send_again(seed=99)
    assert first.choices == again.choices and first.candidates == again.candidates
    assert other.candidates != first.candidates, "another seed says the same"


async def returns_n_answers(trial: Trial) -> None:
    answer = await trial.with_field()
    assert [choice["index"] for choice in answer.choices] == list(range(int(str(trial.value))))
    texts = [choice["message"]["content"] for choice in answer.choices]
    assert len(set(texts)) == len(texts), "the same answer twice"
    assert trial.strategy is None or trial.stepwise or set(texts) <= set(answer.candidates)


async def reports_logprobs(trial: Trial) -> None:
    """Log-probabilities of each token, with the requested number of alternatives; none without the field."""
    answer, plain = await trial.with_field(), await trial.without_strategy()
    tokens, expected = answer.choices[0]["logprobs"]["content"], plain.choices[0]["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == answer.text == plain.text
    assert [len(token["top_logprobs"]) for token in tokens] == [len(token["top_logprobs"]) for token in expected]
    assert all(abs(a["logprob"] - b["logprob"]) < 0.05 for a, b in zip(tokens, expected, strict=True))
    fewer = (await trial.without()).choices[0].get("logprobs")
    assert fewer is None or not fewer["content"][0]["top_logprobs"]


async def is_json(trial: Trial) -> None:
    """Every complete candidate is valid JSON and every truncated one begins so; without the field none is.

    A revision may end at the limit where the draft did not, since it answers another question.
    """
    answer, without = await trial.with_field(), await trial.without()
    assert answer.finish == "stop" and not _fits(without.text)
    assert all(_fits(text) for text in (answer.text, *answer.finished_candidates)), answer.candidates
    assert all(text.lstrip().startswith("{") for text in answer.candidates), answer.candidates


def _fits(text: str) -> bool:
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return isinstance(value, dict) and (not value or value.get("colour") in ("red", "blue"))


def _comparable_fields(choice: Body) -> list[object]:
    """A choice without the ids of its calls, which differ each time."""
    return [choice["message"]["content"] or "", choice["finish_reason"], _call_names(choice), _content(choice)]


async def streams_the_same_answer(trial: Trial) -> None:
    """The chunks, assembled by the official client, are the answer without a stream."""
    answer, complete = await trial.with_field(), await trial.without()
    assert len(answer.body["chunks"]) > 1
    assert [_comparable_fields(choice) for choice in answer.choices] == [
        _comparable_fields(choice) for choice in complete.choices
    ]


def _call_names(choice: Body) -> list[object]:
    calls = choice["message"].get("tool_calls") or []
    return [(call["function"]["name"], call["function"]["arguments"]) for call in calls]


def _content(choice: Body) -> list[object]:
    logprobs = choice.get("logprobs") or {"content": []}
    return [token["token"] for token in logprobs["content"]]


async def equals_the_default(trial: Trial) -> None:
    """auto is the default, and tools are called."""
    assert (await trial.with_field()).calls
    await changes_nothing(trial)


async def reports_usage(trial: Trial) -> None:
    answer = await trial.with_field()
    complete = await trial.without(stream=None)
    *earlier, last = answer.body["chunks"]
    usage = {name: last["usage"][name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    assert last["choices"] == [] and all(complete.body["usage"][name] == count for name, count in usage.items())
    assert not any(chunk.get("usage") for chunk in earlier)
    assert not any(chunk.get("usage") for chunk in (await trial.without()).body["chunks"])


async def reports_usage_in_every_chunk(trial: Trial) -> None:
    answer = await trial.with_field()
    assert all(chunk["usage"] for chunk in answer.body["chunks"])


async def leaves_the_stream_unchanged(trial: Trial) -> None:
    answer, without = await trial.with_field(), await trial.without()
    assert [_comparable_fields(choice) for choice in answer.choices] == [
        _comparable_fields(choice) for choice in without.choices
    ]
    assert not any("obfuscation" in chunk for chunk in answer.body["chunks"])


async def reports_progress(trial: Trial) -> None:
    def news(answer: Answer) -> int:
        return sum("cogitate" in chunk and not chunk["choices"][0]["finish_reason"] for chunk in answer.body["chunks"])

    count, silent = news(await trial.with_field()), news(await trial.without())
    assert silent == 0 and (count > 0) == (trial.strategy is not None)


async def calls(trial: Trial) -> None:
    """The tool is called as the conversation suggests; without the field the call is plain text."""
    answer, without = await trial.with_field(), await trial.without()
    (call,) = answer.calls
    assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == ("weather", {"city": "Rome"})
    assert answer.finish == "tool_calls" and not without.calls and "<tool_call>" in without.text


async def forces_a_call(trial: Trial) -> None:
    """A tool is called, where the model alone would answer with text."""
    answer, free = await trial.with_field(), await trial.without()
    (call,) = answer.calls
    assert call["function"]["name"] in ("weather", "news") and not free.calls and free.text


async def calls_the_named_tool(trial: Trial) -> None:
    answer, free = await trial.with_field(), await trial.without()
    assert [call["function"]["name"] for call in answer.calls] == ["news"]
    assert "news" not in [call["function"]["name"] for call in free.calls]


async def prevents_calls(trial: Trial) -> None:
    answer, free = await trial.with_field(), await trial.without()
    assert free.calls and not answer.calls and answer.text


async def allows_one_call(trial: Trial) -> None:
    answer, free = await trial.with_field(), await trial.without()
    assert len(free.calls) > 1 and len(answer.calls) == 1


async def limits_the_candidates(trial: Trial) -> None:
    """Where the strategy's n is not set. The chat template reads the field too."""
    if trial.strategy is None:
        assert (await trial.with_field()).text != (await trial.without()).text
        return
    grows = "n" in STRATEGIES[trial.strategy].model_fields
    open_n = {"name": trial.strategy, "instruction": "", "return_candidates": True} if grows else small(trial.strategy)
    sampled = {"strategy": open_n, "max_tokens": 4, "temperature": 1.0}
    few, many = [await ask(**sampled) for ask in (trial.with_field, trial.without)]
    if grows:
        assert len(few.choices) == len(many.choices) == 1 and trial.count_decodes(few) < trial.count_decodes(many)
    else:
        assert trial.count_decodes(few) == trial.count_decodes(many)


async def ends_the_search(trial: Trial) -> None:
    answer = await trial.with_field(max_tokens=200)
    assert answer.body["cogitate"]["stopped"] in ("budget", "deadline") and answer.finish == "length"


async def controls_caching(trial: Trial) -> None:
    """default: a repeat is a hit; no-store: never; refresh: decoded again and stored."""
    words = f"What is the sea, seen from {trial.strategy}?"
    fields = {"messages": [{"role": "user", "content": words}], "max_tokens": 3}
    modes = ["no-store", "default", "default", "refresh"]
    hits = [(await trial.send_again(cache=mode, **fields)).headers.get("x-cache") for mode in modes]
    assert hits == [None, None, "hit", None]


async def selects_the_strategy(trial: Trial) -> None:
    answer = await trial.without()
    assert answer.body.get("cogitate", {}).get("strategy") == trial.strategy
    try:
        await trial.with_field()
    except Rejected as refusal:
        assert refusal.param == "strategy"
    else:
        raise AssertionError("an unknown strategy is not refused")
