"""What is lost when there is an answer already."""

import pytest

from strategies.auto import Auto
from strategies.chain_of_thought import ChainOfThought
from strategies.ports import SampleFailed
from strategies.program_aided import ProgramAided
from strategies.run import Strategy
from strategies.self_consistency import SelfConsistency
from strategies.trace import usage
from tests.scripted import HerePrograms, ScriptedEngine
from tests.strategies.solving import run_of, solve

PROGRAM = "```python\ndef solution():\n    return 42\n```"
LATER: dict[str, tuple[Strategy, str, int]] = {
    "the votes behind auto's first wave": (Auto(n=4), "\\boxed{4#}", 3),
    "the votes behind a warm-up": (
        SelfConsistency(n=4, stop_rule="none", weights="confidence", floor="low", warmup=2),
        "\\boxed{42}",
        2,
    ),
    "the chains beside programs": (ProgramAided(n=2, chains=2, stop_rule="none"), PROGRAM, 2),
    "the second call of a chain": (ChainOfThought(), "hard to say", 1),
}
"""A strategy, what its first samples say (#: each another number), and how many those are."""


@pytest.mark.parametrize("later", LATER)
def test_all_that_is_asked_later_may_be_lost(later):
    strategy, text, first = LATER[later]

    def reply(prompt, sampling):
        return SampleFailed("gone") if len(engine.calls) > first else text.replace("#", str(len(engine.calls)))

    engine = ScriptedEngine(reply, logprob=lambda call: -0.5 - call)
    run = run_of(engine)
    run.programs = HerePrograms()
    finished = solve(strategy, run)
    assert len(engine.calls) > first, "nothing was lost"
    assert text.partition("#")[0] in finished.outcome.completion.text and finished.stopped == "completed"
    assert usage(run.trace).completion == engine.decoded > 0


def test_where_there_is_none_the_loss_is_told():
    with pytest.raises(SampleFailed, match="gone"):
        solve(ChainOfThought(), run_of(ScriptedEngine([SampleFailed("gone")])))
