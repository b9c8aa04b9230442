"""Samples that begin together and are all waited for are one call with `n`."""

import asyncio

import pytest

from cogitate.server.engine.remote.batching import MOST, MOST_TOKENS, most
from cogitate.server.errors import ApiError
from cogitate.strategies.core.execute import execute
from cogitate.strategies.core.prompts import BOXED
from cogitate.strategies.core.session import RequestContext, Session
from cogitate.strategies.core.trace import Sampled, usage
from cogitate.strategies.core.types import Completion, ConfidenceThreshold, Sampling
from cogitate.strategies.self_consistency import SelfConsistency
from tests.fakes.scripted import ScriptedProver
from tests.fakes.upstream import Script
from tests.server.engine.remote.fakes import eventually, fakes, one, over, request

ABLE = frozenset({"continue", "logprobs", "seed", "n"})
TEXTS = ["It is \\boxed{72}.", "So it must be \\boxed{71}, I think.", "\\boxed{72}"]
ALIKE = Sampling(max_tokens=100, temperature=0.7, joinable=True)


async def begun(backend, n=3, asked=None, sampling=ALIKE, on_abort=None) -> list[asyncio.Task[Completion]]:
    asked = asked or request()
    prompt, conversation = asked.prompt, await backend.converse(asked, asked.prompt)
    return [asyncio.create_task(conversation.generate(prompt, sampling, on_abort=on_abort)) for _ in range(n)]


async def samples(backend, n=3, **options) -> list[Completion]:
    tasks = await begun(backend, n, **options)
    await asyncio.wait(tasks)
    return [task.result() for task in tasks]


async def test_three_samples_are_one_call_and_each_is_billed_what_it_took():
    async with one(Script(texts=TEXTS), able=ABLE) as (fake, backend):
        made = await samples(backend)
        assert fake.counters.calls == 1 and sum(one.completion_tokens for one in made) == fake.counters.tokens
    assert [one.text for one in made] == TEXTS and [one.completion_tokens for one in made] == [4, 8, 2]
    assert all(one.tokens_known and one.finish == "stop" and one.prompt_tokens == made[0].prompt_tokens for one in made)
    ((_, body, _),) = fake.asked
    assert (body["n"], body["return_token_ids"], body["max_tokens"]) == (3, True, 100) and "stream" not in body


async def test_a_vote_over_an_upstream_is_one_call_with_the_bill_of_all():
    async with one(Script(texts=TEXTS), able=ABLE) as (fake, backend):
        asked = request()
        engine = await backend.converse(asked, asked.prompt)
        request_context = RequestContext(sampling=Sampling(max_tokens=100, temperature=0.7))
        session = Session(engine=engine, prover=ScriptedProver(), request=request_context)
        finished = await execute(SelfConsistency(n=6, stop_rule="none"), asked.prompt.instruct(BOXED), session)
        assert fake.counters.calls == 1 and usage(session.trace).completion == fake.counters.tokens
    assert finished.outcome.answer.key == "72" and len([e for e in session.trace if isinstance(e, Sampled)]) == 6


@pytest.mark.parametrize(
    "fields",
    [
        {"joinable": False},
        {"seed": 5},
        {"reads_partial": True},
        {"temperature": 0.0},
        {"temperature": None},
        {"logprobs": 0},
        {"confidence_threshold": ConfidenceThreshold(1.0, 8), "logprobs": 1},
        {"stop": ("\n\n",)},
        {"max_tokens": None},
        {"max_tokens": MOST_TOKENS},
    ],
)
async def test_what_one_call_would_take_away_is_asked_for_alone(fields):
    sampling = Sampling(**({"max_tokens": 100, "temperature": 0.7, "joinable": True} | fields))
    async with one(able=ABLE) as (fake, backend):
        await samples(backend, sampling=sampling)
        assert fake.counters.calls == 3 and not any("n" in body for _, body, _ in fake.asked)


async def test_who_reads_along_and_an_upstream_that_cannot_get_a_call_for_each():
    async with one(able=ABLE) as (fake, backend):
        await samples(backend, asked=request(stream=True))
        assert fake.counters.calls == 3
    async with one(able=ABLE - {"n"}) as (fake, backend):
        await samples(backend)
        assert fake.counters.calls == 3


async def test_a_call_asks_for_no_more_answers_and_tokens_than_are_read_at_once():
    assert (most(ALIKE), most(Sampling(max_tokens=8192, temperature=1.0, joinable=True))) == (MOST, 8)
    async with one(able=ABLE) as (fake, backend):
        assert len(await samples(backend, 2 * MOST + 3)) == 2 * MOST + 3
        assert sorted(body["n"] for _, body, _ in fake.asked) == [3, MOST, MOST]


async def test_other_prompts_and_other_samplings_are_other_calls():
    async with one(able=ABLE) as (fake, backend):
        asked = request()
        prompt, conversation = asked.prompt, await backend.converse(asked, asked.prompt)
        other, warmer = prompt.prefill("First"), Sampling(max_tokens=100, temperature=1.0, joinable=True)
        async with asyncio.TaskGroup() as group:
            for kind in 2 * [(prompt, ALIKE), (prompt, warmer), (other, ALIKE)]:
                group.create_task(conversation.generate(*kind))
        decodes = [body for path, body, _ in fake.asked if path != "/tokenize"]
        assert len(decodes) == 3 and {body["n"] for body in decodes} == {2}


@pytest.mark.parametrize("script", [Script(usage=False), Script(overcount=1), Script(vllm=False)])
async def test_where_the_tokens_of_each_cannot_be_told_each_is_asked_for_alone(script):
    async with one(script, able=ABLE) as (fake, backend):
        made = await samples(backend)
        assert fake.counters.calls == 4 and len(made) == 3


async def test_a_refusal_is_heard_by_each():
    async with one(Script(refusal=(400, "n must be at most 1")), able=ABLE) as (fake, backend):
        tasks = await begun(backend)
        await asyncio.wait(tasks)
    errors = [task.exception() for task in tasks]
    assert all(isinstance(error, ApiError) and error.status == 400 for error in errors)
    assert fake.counters.calls == 4


async def test_a_sick_replicas_call_is_answered_by_another_as_one():
    async with fakes(Script(fault="500"), Script()) as (sick, well), over(sick, well, able=ABLE) as backend:
        for turn in range(4):
            assert len(await samples(backend, asked=request(f"question {turn}"))) == 3
    assert well.counters.calls == 4 and {body["n"] for _, body, _ in well.asked} == {3}


async def test_one_sample_that_is_given_up_leaves_the_others_their_call():
    async with one(Script(latency=0.1), able=ABLE) as (fake, backend):
        left = []
        tasks = await begun(backend, on_abort=left.append)
        await eventually(lambda: fake.counters.in_flight)
        tasks[1].cancel()
        await asyncio.wait(tasks)
        assert tasks[1].cancelled() and tasks[0].result().finish == tasks[2].result().finish == "stop"
        assert fake.counters.aborted == 0 and [(one.finish, one.tokens_known) for one in left] == [("abort", False)]


async def test_the_call_is_closed_when_the_last_one_leaves():
    async with one(Script(latency=60), able=ABLE) as (fake, backend):
        left = []
        tasks = await begun(backend, on_abort=left.append)
        await eventually(lambda: fake.counters.in_flight)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert backend.replicas.in_flight == 0, "closed before the cancel went on"
        await eventually(lambda: fake.counters.aborted == 1)
        assert len(left) == 3 and not any(one.tokens_known for one in left)


async def test_who_leaves_before_the_call_is_made_is_not_asked_for():
    async with one(able=ABLE) as (fake, backend):
        tasks = await begun(backend)
        await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.wait(tasks)
        assert [body["n"] for _, body, _ in fake.asked] == [2]
