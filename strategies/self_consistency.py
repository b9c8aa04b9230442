"""Self-consistency: sample reasoning paths, marginalise them out, keep the most common answer.

Wang et al., 2022, arXiv:2203.11171. An answer that cannot be read abstains. Stopping early follows the vote: once the
leader cannot be overtaken (changes no result), once it is probably the majority (Aggarwal et al., arXiv:2305.11860),
once it will probably win the vote of n (ours), once a window of samples agrees (Li et al., arXiv:2401.10480), or once
it has nearly all weight (DeepConf's consensus). Deviations: samples do not start one by one but a few at a time, what
still decodes is aborted, and under load a lower posterior is enough. With weights the leader by count must also lead
by weight; certain then adds for every sample still out the most that a vote can weigh, which is why it cannot be had
with confidence.

With a floor it is DeepConf online (Fu et al., 2025, arXiv:2508.15260): a warm-up runs in full, its least confident
windows set a floor by their percentile, whoever is below it does not vote, and of the later samples those that fall
below it are ended as they are decoded. Deviations: the window follows the answers' length, the percentile is taken over
those of the warm-up that answer, so that at least one vote stands, and a confidence is read over 5 alternatives.
"""

from typing import ClassVar, Literal

from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import ConfidenceThreshold, Outcome, Prompt
from cogitate.strategies.voting.options import VotingOptions
from cogitate.strategies.voting.tally import Tally
from cogitate.strategies.voting.weights import VoteWeights


class SelfConsistency(VotingOptions):
    """Sample n answers and take the one most of them agree on; stop as soon as the vote is decided."""

    paper: ClassVar[str] = "arXiv:2203.11171"

    name: Literal["self_consistency"] = "self_consistency"

    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        scale = VoteWeights(run, self.weights, self.verifier or "judge", self.aggregation, self.softmax_temperature)
        tally = Tally(self.criteria, scale)
        floor: ConfidenceThreshold | None = None
        for n in self.wave_sizes:
            if await self.poll(prompt, n, tally, floor):
                break
            if self.retained_share and floor is None:
                floor = await tally.set_threshold(self.retained_share)
        return await tally.build_outcome()

    async def poll(self, prompt: Prompt, n: int, tally: Tally, floor: ConfidenceThreshold | None) -> bool:
        """The votes of n more, unless it is decided before; whether it is."""
        surplus = self.stop_rule != "none"
        if not n:
            return False
        async with tally.weights.run.race(
            prompt, n, concurrency=self.concurrency_limit, surplus=surplus, threshold=floor
        ) as arrivals:
            async for completion in arrivals:
                await tally.cast(completion)
                if await tally.is_decided():
                    return True
        return False
