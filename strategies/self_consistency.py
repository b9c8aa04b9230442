"""Self-consistency: samples reasoning paths, marginalises them out and returns the most frequent answer.

Wang et al., 2022, arXiv:2203.11171. A candidate whose answer cannot be read abstains. Sampling stops early as the vote
allows: once the leader cannot be overtaken (changes no result), once it will probably win the vote of n (ours, the
default), once it is probably the majority (Aggarwal et al., arXiv:2305.11860), once a window of samples agrees (Li et
al., arXiv:2401.10480), or once it has nearly all weight (DeepConf's consensus).

Deviations: samples start as the vote may need them (`voting/launch.py`) rather than one by one, those still decoding at
the decision are aborted, and under load a lower posterior is enough. With weights the leader by count must also lead by
weight; `certain` then adds the maximum weight of a vote for every outstanding sample, which is why it cannot be
combined with confidence weights.

Of several models each votes with its share of n, one vote a sample: the first draws its share, and the next is asked
only where the joint vote is still open, with all other shares outstanding (a cascade by agreement, as in Yue et al.,
2023, arXiv:2310.03094, whose thresholds are here the stop rule).

With a floor it is DeepConf online (Fu et al., 2025, arXiv:2508.15260): a warm-up is decoded in full, a percentile of
its lowest window confidences sets the threshold, samples below it do not vote, and later samples are stopped while
they are decoded once they fall below it. Deviations: the window follows the length of the answers, the percentile is
taken over the warm-up samples that answer, so that at least one vote stands, and a confidence is read over 5
alternatives.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import ConfidenceThreshold, Outcome
from cogitate.strategies.voting.options import VotingOptions
from cogitate.strategies.voting.tally import Tally
from cogitate.strategies.voting.weights import VoteWeights


class SelfConsistency(VotingOptions):
    """Sample n answers and take the most frequent one; stop as soon as the vote is decided."""

    paper: ClassVar[str] = "arXiv:2203.11171"
    when: ClassVar[str] = "questions with one short answer; the best value"
    when_not: ClassVar[str] = (
        "prose and code, where no two answers are equal; models whose most frequent answer is usually wrong"
    )
    cost_note: ClassVar[str] = (
        "at most n answers, fewer once the vote is decided, less of those that fall below a floor; with p_true or "
        "verifier a token more each"
    )

    version: ClassVar[int] = 2
    draws_samples: ClassVar[bool] = True

    name: Literal["self_consistency"] = "self_consistency"

    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        weights = VoteWeights(run, self.weights, self.verifier or "judge", self.aggregation, self.softmax_temperature)
        tally = Tally(self.stop_criteria, weights)
        threshold: ConfidenceThreshold | None = None
        waves = self.plan_waves(prompt)
        for at, wave in enumerate(waves, 1):
            try:
                if await self.collect_votes(wave, tally, threshold, run):
                    run.budget.spared += sum(map(len, waves[at:]))
                    break
            except SampleFailed:  # of all samples of the wave: another model may answer
                if not tally.ballot.size and at == len(waves):
                    raise
            if self.warmup_share and threshold is None and tally.ballot.size:
                threshold = await tally.set_threshold(self.warmup_share)
        return await tally.build_outcome()

    async def collect_votes(
        self, wave: Sequence[Prompt], tally: Tally, threshold: ConfidenceThreshold | None, run: Run
    ) -> bool:
        """Cast the votes of a wave of samples, and return whether the vote is decided before all have voted."""
        surplus = self.stop_rule != "none"
        async with run.race(
            wave, len(wave), concurrency=self.launch.follow(tally.votes_to_settle), surplus=surplus, threshold=threshold
        ) as samples:
            async for sample in samples:
                await tally.cast(sample)
                if await tally.may_stop():
                    return True
        return False
