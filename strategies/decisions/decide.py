"""Asks all questions in all their orders, and averages the reads of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

from cogitate.strategies.core.concurrency import for_each
from cogitate.strategies.core.label_probs import label_masses, spell_letters
from cogitate.strategies.core.ports import Engine, SampleFailed
from cogitate.strategies.core.types import Completion, Sampling
from cogitate.strategies.decisions.estimate import Estimate, Masses, average
from cogitate.strategies.decisions.prompt import QuotedEvidence, build_prompt
from cogitate.strategies.decisions.question import (
    Order,
    OrderSet,
    Question,
    restore_order,
)


@dataclass(slots=True)
class Bill:
    """What the reads have cost so far, as the engine counted it."""

    reads: int = 0
    """Reads that ran to their end."""
    failed: int = 0
    """Reads that the engine lost."""
    uncounted: int = 0
    """Reads whose tokens the engine did not report: the numbers below have a lower bound of theirs."""
    prompt_tokens: int = 0
    """Of all prompts, each read's own."""
    cached_tokens: int = 0
    """Of `prompt_tokens`, those from the engine's prefix cache."""
    completion_tokens: int = 0
    aborted_tokens: int = 0
    """Of `completion_tokens`, those of reads that were cancelled."""

    def add(self, read: Completion) -> None:
        self.uncounted += not read.tokens_known
        self.prompt_tokens += read.prompt_tokens
        self.cached_tokens += read.cached_tokens or 0
        self.completion_tokens += read.completion_tokens

    def add_aborted(self, read: Completion) -> None:
        self.add(read)
        self.aborted_tokens += read.completion_tokens


@dataclass(slots=True)
class Panel:
    """The reads of all questions, as they arrive."""

    engine: Engine
    evidence: QuotedEvidence
    questions: Sequence[Question]
    bill: Bill
    reads: list[list[Masses]] = field(init=False)
    """By question."""
    failures: dict[int, SampleFailed] = field(default_factory=dict)
    """The first of each question's."""

    def __post_init__(self) -> None:
        self.reads = [[] for _ in self.questions]

    async def read(self, job: tuple[int, Order]) -> None:
        """Ask one question in one order. The prompt is built here, so that few exist at once."""
        at, order = job
        letters = spell_letters(len(order))
        labels = tuple(chain.from_iterable(letters))
        sampling = Sampling(max_tokens=1, temperature=0.0, labels=labels, auxiliary=True)
        prompt = build_prompt(self.evidence, self.questions[at], order)
        try:
            completion = await self.engine.generate(prompt, sampling, on_abort=self.bill.add_aborted)
        except SampleFailed as failure:
            self.bill.failed += 1
            self.failures.setdefault(at, failure)
            return
        self.bill.reads += 1
        self.bill.add(completion)
        self.reads[at].append(restore_order(label_masses(completion, letters), order))

    def average(self) -> list[Estimate | None]:
        """Average the reads of each question. Raises the SampleFailed of a question that has none."""
        for at, reads in enumerate(self.reads):
            if not reads:
                raise self.failures[at]
        pairs = zip(self.questions, self.reads, strict=True)
        return [average(reads, question.base_order) for question, reads in pairs]


async def decide(
    evidence: QuotedEvidence,
    questions: Sequence[Question],
    engine: Engine,
    bill: Bill,
    *,
    orders: OrderSet = "balanced",
    repeats: int = 1,
    concurrency: int = 64,
) -> list[Estimate | None]:
    """Return the estimate of each question, asked `repeats` times in each of its orders.

    None where the model gave no option a probability. At most `concurrency` reads run at a time; `bill` is kept also
    where this call is cancelled. Raises SampleFailed where all reads of a question are lost.
    """
    jobs = [
        (at, order)
        for at, question in enumerate(questions)
        for order in question.list_orders(orders)
        for _ in range(repeats)
    ]
    panel = Panel(engine, evidence, questions, bill)
    await for_each(jobs, concurrency, panel.read)
    return panel.average()
