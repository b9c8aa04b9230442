"""What shows that a field was honoured: each check asks with the field and without it, and compares.

At temperature 0, and with nothing of ours in the prompt, every strategy must say what the plain engine says: the same
with the field, and something else without it.
"""

import json
from collections.abc import Awaitable, Callable

from cogitate.server.engine.vllm.env import DEMO_MODEL_NAME
from cogitate.strategies import STRATEGIES
from tests.fields.requests import BASE, Answer, Body, Refused, Trial, small

Check = Callable[[Trial], Awaitable[None]]


async def shapes_the_text(trial: Trial) -> None:
    """Every candidate is what the plain engine says with the field, and that is not what is said without it."""
    answer, plain = await trial.asked(), await trial.plainly()
    said = trial.first(answer)
    assert said != trial.first(await trial.without()), "the field changes nothing"
    assert trial.is_as(answer, plain), (answer.text, answer.candidates, plain.text)
    assert said != answer.text or answer.finish == plain.finish


async def binds_the_text(trial: Trial) -> None:
    """The same, and nothing of ours is written behind it."""
    await shapes_the_text(trial)
    answer = await trial.asked()
    assert answer.said == answer.text


async def changes_nothing(trial: Trial) -> None:
    """Accepted, and the answer is the one without it."""
    answer, without = await trial.asked(), await trial.without()
    assert [_told(choice) for choice in answer.choices] == [_told(choice) for choice in without.choices]
    assert answer.body["usage"]["total_tokens"] == without.body["usage"]["total_tokens"]


async def tells_the_tokens(trial: Trial) -> None:
    answer, without = await trial.asked(), await trial.without()
    assert len(answer.choices[0]["token_ids"]) == BASE["max_tokens"]
    assert not without.choices[0].get("token_ids")


async def is_the_model_that_answers(trial: Trial) -> None:
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
    answer, longer = await trial.asked(), await trial.without()
    assert isinstance(limit, int) and answer.finish == "length" and longer.text != answer.text
    assert all(longer.text.startswith(text) for text in trial.candidates(answer))
    assert set(trial.lengths(answer)) == {limit}


async def prolongs_the_answer(trial: Trial) -> None:
    """The answer ends sooner without it."""
    answer, without = await trial.asked(), await trial.without()
    least = trial.value if trial.name == "min_tokens" else trial.body()["max_tokens"]
    assert without.finish == "stop" and isinstance(least, int)
    assert min(trial.lengths(answer)) >= least and answer.text != without.text


async def repeats(trial: Trial) -> None:
    first, again, other = await trial.anew(), await trial.anew(), await trial.anew(seed=99)
    assert first.choices == again.choices and first.candidates == again.candidates
    assert other.candidates != first.candidates, "another seed says the same"


async def gives_so_many_answers(trial: Trial) -> None:
    answer = await trial.asked()
    assert [choice["index"] for choice in answer.choices] == list(range(int(str(trial.value))))
    texts = [choice["message"]["content"] for choice in answer.choices]
    assert len(set(texts)) == len(texts), "one answer, told twice"
    assert trial.strategy is None or trial.stepwise or set(texts) <= set(answer.candidates)


async def reports_logprobs(trial: Trial) -> None:
    """Those of the text, token by token, with as many alternatives as were asked for; none without the field."""
    answer, plain = await trial.asked(), await trial.plainly()
    tokens, expected = answer.choices[0]["logprobs"]["content"], plain.choices[0]["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == answer.text == plain.text
    assert [len(token["top_logprobs"]) for token in tokens] == [len(token["top_logprobs"]) for token in expected]
    assert all(abs(a["logprob"] - b["logprob"]) < 0.05 for a, b in zip(tokens, expected, strict=True))
    fewer = (await trial.without()).choices[0].get("logprobs")
    assert fewer is None or not fewer["content"][0]["top_logprobs"]


async def is_json(trial: Trial) -> None:
    """Of every candidate that came to its end, and one that did not begins so; there are none such without the field.

    A revision may end at the limit where the draft did not: it answers another question.
    """
    answer, without = await trial.asked(), await trial.without()
    assert answer.finish == "stop" and not _fits(without.text)
    assert all(_fits(text) for text in (answer.text, *answer.ended)), answer.candidates
    assert all(text.lstrip().startswith("{") for text in answer.candidates), answer.candidates


def _fits(text: str) -> bool:
    try:
        said = json.loads(text)
    except ValueError:
        return False
    return isinstance(said, dict) and (not said or said.get("colour") in ("red", "blue"))


def _told(choice: Body) -> list[object]:
    """A choice without the numbers that calls are given anew each time."""
    return [choice["message"]["content"] or "", choice["finish_reason"], _named(choice), _content(choice)]


async def spells_the_whole_answer(trial: Trial) -> None:
    """The stream's chunks, put together by the official client, are the answer that is not streamed."""
    answer, whole = await trial.asked(), await trial.without()
    assert len(answer.body["chunks"]) > 1
    assert [_told(choice) for choice in answer.choices] == [_told(choice) for choice in whole.choices]


def _named(choice: Body) -> list[object]:
    calls = choice["message"].get("tool_calls") or []
    return [(call["function"]["name"], call["function"]["arguments"]) for call in calls]


def _content(choice: Body) -> list[object]:
    logprobs = choice.get("logprobs") or {"content": []}
    return [token["token"] for token in logprobs["content"]]


async def chooses_the_form(trial: Trial) -> None:
    """auto is what is done without it, and tools are called."""
    assert (await trial.asked()).calls
    await changes_nothing(trial)


async def tells_the_usage(trial: Trial) -> None:
    answer = await trial.asked()
    whole = await trial.without(stream=None)
    *others, last = answer.body["chunks"]
    told = {name: last["usage"][name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    assert last["choices"] == [] and all(whole.body["usage"][name] == count for name, count in told.items())
    assert not any(chunk.get("usage") for chunk in others)
    assert not any(chunk.get("usage") for chunk in (await trial.without()).body["chunks"])


async def tells_the_usage_as_it_grows(trial: Trial) -> None:
    answer = await trial.asked()
    assert all(chunk["usage"] for chunk in answer.body["chunks"])


async def changes_nothing_of_the_stream(trial: Trial) -> None:
    answer, without = await trial.asked(), await trial.without()
    assert [_told(choice) for choice in answer.choices] == [_told(choice) for choice in without.choices]
    assert not any("obfuscation" in chunk for chunk in answer.body["chunks"])


async def tells_the_progress(trial: Trial) -> None:
    def news(answer: Answer) -> int:
        return sum("cogitate" in chunk and not chunk["choices"][0]["finish_reason"] for chunk in answer.body["chunks"])

    told, silent = news(await trial.asked()), news(await trial.without())
    assert silent == 0 and (told > 0) == (trial.strategy is not None)


async def calls(trial: Trial) -> None:
    """The tool that the conversation calls for is called; without the field that is mere text."""
    answer, without = await trial.asked(), await trial.without()
    (call,) = answer.calls
    assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == ("weather", {"city": "Rome"})
    assert answer.finish == "tool_calls" and not without.calls and "<tool_call>" in without.text


async def must_call(trial: Trial) -> None:
    """A tool, whatever is asked; left free, the model only talks."""
    answer, free = await trial.asked(), await trial.without()
    (call,) = answer.calls
    assert call["function"]["name"] in ("weather", "news") and not free.calls and free.text


async def calls_by_name(trial: Trial) -> None:
    answer, free = await trial.asked(), await trial.without()
    assert [call["function"]["name"] for call in answer.calls] == ["news"]
    assert "news" not in [call["function"]["name"] for call in free.calls]


async def calls_nothing(trial: Trial) -> None:
    answer, free = await trial.asked(), await trial.without()
    assert free.calls and not answer.calls and answer.text


async def calls_once(trial: Trial) -> None:
    answer, free = await trial.asked(), await trial.without()
    assert len(free.calls) > 1 and len(answer.calls) == 1


async def bounds_the_candidates(trial: Trial) -> None:
    """Where the strategy's n is left open. The model's chat template hears of it too."""
    if trial.strategy is None:
        assert (await trial.asked()).text != (await trial.without()).text
        return
    grows = "n" in STRATEGIES[trial.strategy].model_fields
    open_n = {"name": trial.strategy, "instruction": "", "return_candidates": True} if grows else small(trial.strategy)
    few, many = [await ask(strategy=open_n, max_tokens=4) for ask in (trial.asked, trial.without)]
    if grows:
        assert len(few.choices) == len(many.choices) == 1 and trial.begun(few) < trial.begun(many)
    else:
        assert trial.begun(few) == trial.begun(many)


async def ends_the_search(trial: Trial) -> None:
    answer = await trial.asked(max_tokens=200)
    assert answer.body["cogitate"]["stopped"] in ("budget", "deadline") and answer.finish == "length"


async def decides_what_is_kept(trial: Trial) -> None:
    """default: asked again it is a hit; no-store: never; refresh: made anew, and kept."""
    words = f"What is the sea, seen from {trial.strategy}?"
    fields = {"messages": [{"role": "user", "content": words}], "max_tokens": 3}
    modes = ["no-store", "default", "default", "refresh"]
    hits = [(await trial.anew(cache=mode, **fields)).headers.get("x-cache") for mode in modes]
    assert hits == [None, None, "hit", None]


async def chooses_the_strategy(trial: Trial) -> None:
    answer = await trial.without()
    assert answer.body.get("cogitate", {}).get("strategy") == trial.strategy
    try:
        await trial.asked()
    except Refused as refusal:
        assert refusal.param == "strategy"
    else:
        raise AssertionError("an unknown strategy is not refused")
