"""Identical samples that start together are joined in one upstream call with `n`."""

import asyncio

import pytest

from cogitate.server.engine.remote.batching import MAX_SAMPLES_PER_CALL, MAX_TOKENS_PER_CALL, max_batch_size
from cogitate.server.errors import ApiError
from cogitate.strategies.core.events import Sampled
from cogitate.strategies.core.execute import execute
from cogitate.strategies.core.prompts import BOXED
from cogitate.strategies.core.scripted import ScriptedProver
from cogitate.strategies.core.session import RequestContext, Session
from cogitate.strategies.core.trace import usage
from cogitate.strategies.core.types import Completion, ConfidenceThreshold, Sampling
from cogitate.strategies.self_consistency import SelfConsistency
from tests.fakes.upstream import Script
from tests.server.engine.remote.fakes import eventually, open_backend, remote_backend, request, start_upstreams

ABILITIES = frozenset({"continue", "logprobs", "seed", "n"})
TEXTS = ["It is \\boxed{72}.", "So it must be \\boxed{71}, I think.", "\\boxed{72}"]
ALIKE = Sampling(max_tokens=100, temperature=0.7, joinable=True)


async def start_samples(backend, n=3, chat=None, sampling=ALIKE, on_abort=None) -> list[asyncio.Task[Completion]]:
    chat = chat or request()
    prompt, conversation = chat.prompt, await backend.converse(chat, chat.prompt)
    return [asyncio.create_task(conversation.generate(prompt, sampling, on_abort=on_abort)) for _ in range(n)]


async def fetch_samples(backend, n=3, **options) -> list[Completion]:
    tasks = await start_samples(backend, n, **options)
    await asyncio.wait(tasks)
    return [task.result() for task in tasks]


async def test_identical_samples_share_one_call_and_are_billed_by_their_own_tokens():
    async with remote_backend(Script(texts=TEXTS), abilities=ABILITIES) as (fake, backend):
        completions = await fetch_samples(backend)
        assert fake.counters.calls == 1 and sum(each.completion_tokens for each in completions) == fake.counters.tokens
    assert [each.text for each in completions] == TEXTS and [each.completion_tokens for each in completions] == [
        4,
        8,
        2,
    ]
    assert all(
        each.tokens_known and each.finish == "stop" and each.prompt_tokens == completions[0].prompt_tokens
        for each in completions
    )
    ((_, body, _),) = fake.requests
    assert (body["n"], body["return_token_ids"], body["max_tokens"]) == (3, True, 100) and "stream" not in body


async def test_vote_is_one_upstream_call_with_complete_usage():
    async with remote_backend(Script(texts=TEXTS), abilities=ABILITIES) as (fake, backend):
        chat = request()
        engine = await backend.converse(chat, chat.prompt)
        request_context = RequestContext(sampling=Sampling(max_tokens=100, temperature=0.7))
        session = Session(engine=engine, prover=ScriptedProver(), request=request_context)
        finished = await execute(SelfConsistency(n=6, stop_rule="none"), chat.prompt.instruct(BOXED), session)
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
        {"max_tokens": MAX_TOKENS_PER_CALL},
    ],
)
async def test_samples_with_own_seed_stop_or_logprobs_get_single_calls(fields):
    sampling = Sampling(**({"max_tokens": 100, "temperature": 0.7, "joinable": True} | fields))
    async with remote_backend(abilities=ABILITIES) as (fake, backend):
        await fetch_samples(backend, sampling=sampling)
        assert fake.counters.calls == 3 and not any("n" in body for _, body, _ in fake.requests)


async def test_streaming_requests_and_upstreams_without_n_get_one_call_per_sample():
    async with remote_backend(abilities=ABILITIES) as (fake, backend):
        await fetch_samples(backend, chat=request(stream=True))
        assert fake.counters.calls == 3
    async with remote_backend(abilities=ABILITIES - {"n"}) as (fake, backend):
        await fetch_samples(backend)
        assert fake.counters.calls == 3


async def test_batch_size_is_limited_by_samples_and_tokens():
    assert (max_batch_size(ALIKE), max_batch_size(Sampling(max_tokens=8192, temperature=1.0, joinable=True))) == (
        MAX_SAMPLES_PER_CALL,
        8,
    )
    async with remote_backend(abilities=ABILITIES) as (fake, backend):
        assert len(await fetch_samples(backend, 2 * MAX_SAMPLES_PER_CALL + 3)) == 2 * MAX_SAMPLES_PER_CALL + 3
        assert sorted(body["n"] for _, body, _ in fake.requests) == [3, MAX_SAMPLES_PER_CALL, MAX_SAMPLES_PER_CALL]


async def test_different_prompts_or_sampling_are_separate_batches():
    async with remote_backend(abilities=ABILITIES) as (fake, backend):
        chat = request()
        prompt, conversation = chat.prompt, await backend.converse(chat, chat.prompt)
        other, warmer = prompt.prefill("First"), Sampling(max_tokens=100, temperature=1.0, joinable=True)
        async with asyncio.TaskGroup() as group:
            for kind in 2 * [(prompt, ALIKE), (prompt, warmer), (other, ALIKE)]:
                group.create_task(conversation.generate(*kind))
        decodes = [body for path, body, _ in fake.requests if path != "/tokenize"]
        assert len(decodes) == 3 and {body["n"] for body in decodes} == {2}


@pytest.mark.parametrize("script", [Script(usage=False), Script(overcount=1), Script(vllm=False)])
async def test_batch_without_token_counts_per_choice_falls_back_to_single_calls(script):
    async with remote_backend(script, abilities=ABILITIES) as (fake, backend):
        completions = await fetch_samples(backend)
        assert fake.counters.calls == 4 and len(completions) == 3


async def test_every_sample_of_a_batch_gets_its_400():
    async with remote_backend(Script(refusal=(400, "n must be at most 1")), abilities=ABILITIES) as (fake, backend):
        tasks = await start_samples(backend)
        await asyncio.wait(tasks)
    errors = [task.exception() for task in tasks]
    assert all(isinstance(error, ApiError) and error.status == 400 for error in errors)
    assert fake.counters.calls == 4


async def test_failed_batch_is_retried_on_another_replica_as_one_call():
    async with (
        start_upstreams(Script(fault="500"), Script()) as (sick, well),
        open_backend(sick, well, abilities=ABILITIES) as backend,
    ):
        for turn in range(4):
            assert len(await fetch_samples(backend, chat=request(f"question {turn}"))) == 3
    assert well.counters.calls == 4 and {body["n"] for _, body, _ in well.requests} == {3}


async def test_cancelling_one_sample_leaves_the_batch_running():
    async with remote_backend(Script(latency=0.1), abilities=ABILITIES) as (fake, backend):
        aborted = []
        tasks = await start_samples(backend, on_abort=aborted.append)
        await eventually(lambda: fake.counters.in_flight)
        tasks[1].cancel()
        await asyncio.wait(tasks)
        assert tasks[1].cancelled() and tasks[0].result().finish == tasks[2].result().finish == "stop"
        assert fake.counters.aborted == 0 and [(each.finish, each.tokens_known) for each in aborted] == [
            ("abort", False)
        ]


async def test_cancelling_every_sample_aborts_the_batch():
    async with remote_backend(Script(latency=60), abilities=ABILITIES) as (fake, backend):
        aborted = []
        tasks = await start_samples(backend, on_abort=aborted.append)
        await eventually(lambda: fake.counters.in_flight)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert backend.balancer.in_flight == 0, "the call is closed before the cancellation goes on"
        await eventually(lambda: fake.counters.aborted == 1)
        assert len(aborted) == 3 and not any(each.tokens_known for each in aborted)


async def test_batch_omits_samples_cancelled_before_the_call():
    async with remote_backend(abilities=ABILITIES) as (fake, backend):
        tasks = await start_samples(backend)
        await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.wait(tasks)
        assert [body["n"] for _, body, _ in fake.requests] == [2]
