"""Failed decodes after a first answer, and votes that end early."""

import pytest

from cogitate.strategies.auto import Auto
from cogitate.strategies.chain_of_thought import ChainOfThought
from cogitate.strategies.core.events import Aborted, Sampled
from cogitate.strategies.core.execute import Strategy
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.trace import usage
from cogitate.strategies.program_aided import ProgramAided
from cogitate.strategies.self_consistency import SelfConsistency
from tests.fakes.programs import InProcessPrograms
from tests.fakes.run import build_session, events, solve

PROGRAM = "```python\ndef solution():\n    return 42\n```"
LATER: dict[str, tuple[Strategy, str, int]] = {
    "votes after the first wave of auto": (Auto(n=4), "\\boxed{4#}", 3),
    "votes after a warm-up": (
        SelfConsistency(n=4, stop_rule="none", weights="confidence", floor="low", warmup=2),
        "\\boxed{42}",
        2,
    ),
    "chains that join programs": (ProgramAided(n=2, chains=2, stop_rule="none"), PROGRAM, 2),
    "second call of a chain of thought": (ChainOfThought(), "hard to say", 1),
}
"""A strategy, the text of its first samples (#: a different number in each), and their number."""


@pytest.mark.parametrize("later", LATER)
def test_answer_survives_the_loss_of_every_later_decode(later):
    strategy, text, first = LATER[later]

    def reply(prompt, sampling):
        return SampleFailed("gone") if len(engine.calls) > first else text.replace("#", str(len(engine.calls)))

    engine = ScriptedEngine(reply, logprob=lambda call: -0.5 - call)
    session = build_session(engine)
    session.programs = InProcessPrograms()
    finished = solve(strategy, session)
    assert len(engine.calls) > first, "no later decode was requested"
    assert text.partition("#")[0] in finished.outcome.completion.text and finished.stopped == "completed"
    assert usage(session.trace).completion == engine.decoded > 0


@pytest.mark.parametrize(("rule", "stopped"), [("beta", "decided"), ("windows", "decided"), ("none", "completed")])
def test_vote_that_needs_fewer_samples_is_reported_as_decided(rule, stopped):
    session = build_session(ScriptedEngine(["\\boxed{7}"]))
    finished = solve(SelfConsistency(n=16, concurrency=1, stop_rule=rule, window=4), session)
    assert finished.stopped == stopped and not events(session, Aborted)
    assert session.budget.spared + len(events(session, Sampled)) == 16


def test_failure_is_raised_where_no_answer_exists():
    with pytest.raises(SampleFailed, match="gone"):
        solve(ChainOfThought(), build_session(ScriptedEngine([SampleFailed("gone")])))
