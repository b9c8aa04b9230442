"""Early exit from thinking by probes."""

import pytest

from cogitate.strategies.core.events import Sampled
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.types import Sampling
from cogitate.strategies.thinking.early_exit import MAX_PROBE_TOKENS, PROBE
from tests.fakes.run import events
from tests.strategies.test_budget_forcing import count_thinking_tokens, force, ramble, streamed_text, thinker


@pytest.mark.parametrize(("probe", "logprob", "stops"), [("42}", -0.01, True), ("42}", -0.1, False), ("}", 0.0, False)])
def test_confident_probe_ends_the_thinking(probe, logprob, stops):
    engine = thinker(ramble(), probe=probe)
    engine.logprob = lambda call: logprob
    sampling = Sampling(max_tokens=100, temperature=0.7, logprobs=0)
    session, finished = force(engine, sampling, early_exit="confidence", probe_every=8, waits=0)
    probes = [asked for prompt, asked in engine.calls if prompt.prefix.endswith(PROBE)]
    assert len(probes) == (1 if stops else 6)
    assert all(
        (asked.temperature, asked.max_tokens, asked.auxiliary) == (0.0, MAX_PROBE_TOKENS, True) for asked in probes
    )
    assert PROBE not in finished.outcome.completion.text == streamed_text(session)


@pytest.mark.parametrize(
    ("answers", "probes"), [(["42}"], 3), (["1}", "2}", "3}"], 6), (["wait}"], 6), (["}"], 6), (["4"], 6)]
)
def test_probes_end_the_thinking_when_the_last_three_agree_without_doubt(answers, probes):
    engine, turns = thinker(ramble()), iter(answers * 9)
    plain = engine.replies
    engine.replies = lambda prompt, sampling: next(turns) if prompt.prefix.endswith(PROBE) else plain(prompt, sampling)
    session, finished = force(engine, early_exit="probes", probe_every=8, waits=0)
    assert sum(event.role == "extraction" for event in events(session, Sampled)) == probes
    assert finished.outcome.answer.raw == "42"


def test_probes_do_not_end_the_thinking_before_min_thinking():
    session, _ = force(thinker(ramble()), early_exit="probes", probe_every=8, waits=0, min_thinking=40)
    assert (
        count_thinking_tokens(session)
        - sum(e.completion.completion_tokens for e in events(session, Sampled) if e.role != "step")
        == 40
    )


def test_failed_probes_do_not_end_the_thinking():
    session, finished = force(
        thinker(ramble(), probe=SampleFailed("gone")), early_exit="probes", probe_every=8, waits=0
    )
    assert finished.outcome.answer.raw == "42" and all(event.role == "step" for event in events(session, Sampled))
