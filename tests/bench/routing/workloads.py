"""Requests as they arrive: chats of several turns, documents with questions, and votes; in bursts."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from random import Random

from tests.bench.routing.simulated_replica import Part

BYTES_PER_TOKEN = 4
BURST_SECONDS, BURST_FACTOR = 5.0, 3.0
"""Every tenth such interval, requests arrive so many times as fast."""
FEW_UPSTREAMS = 8
POPULARITY = 0.9
"""Exponent of Zipf's law for documents and applications."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn of a chat: what the user adds, and what is answered, after a pause in seconds."""

    added: tuple[Part, ...]
    answers: tuple[Part, ...]
    """One for each sample; the first one goes into the chat."""
    pause: float = 0.0


Chat = tuple[Turn, ...]


@dataclass(slots=True)
class Writer:
    """Writes parts with random text, none of which is like another."""

    random: Random

    def write(self, tokens: float) -> Part:
        count = max(8, round(tokens))
        return Part(self.random.randbytes(BYTES_PER_TOKEN * count), count)

    def write_around(self, tokens: float) -> Part:
        """A part of lognormal length, with this median."""
        return self.write(self.random.lognormvariate(0, 0.6) * tokens)


def write_chats(random: Random, upstreams: int) -> Iterator[Chat]:
    """Chats of four applications for each upstream, each with a system prompt of 800 tokens; 1 to 8 turns."""
    writer = Writer(random)
    systems = [writer.write(800) for _ in range(4 * upstreams)]
    weights = [1 / (rank + 1) ** POPULARITY for rank in range(len(systems))]
    while True:
        (system,) = random.choices(systems, weights)
        turns = [((writer.write_around(80),), (writer.write_around(150),)) for _ in range(random.randint(1, 8))]
        yield tuple(
            Turn((system, *added) if at == 0 else added, answers, random.expovariate(1 / 10) if at else 0.0)
            for at, (added, answers) in enumerate(turns)
        )


def write_document_questions(random: Random, upstreams: int, system_tokens: int = 0) -> Iterator[Chat]:
    """Questions about documents of 4,000 tokens, 40 an upstream. `system_tokens`: of a system prompt before them."""
    writer = Writer(random)
    start = (writer.write(system_tokens),) if system_tokens else ()
    documents = [writer.write_around(4000) for _ in range(40 * upstreams)]
    weights = [1 / (rank + 1) ** POPULARITY for rank in range(len(documents))]
    while True:
        (document,) = random.choices(documents, weights)
        yield (Turn((*start, document, writer.write_around(40)), (writer.write_around(150),)),)


def write_votes(random: Random, upstreams: int) -> Iterator[Chat]:
    """Questions of 2,000 tokens with 16 samples, each a call of its own."""
    writer = Writer(random)
    system = writer.write(300)
    while True:
        answers = tuple(writer.write_around(200) for _ in range(16))
        yield (Turn((system, writer.write_around(2000)), answers),)


@dataclass(frozen=True, slots=True)
class Workload:
    """`rate`: chats that begin in a second, for each upstream."""

    write: Callable[[Random, int], Iterator[Chat]]
    rate: float
    chats: int
    """For each upstream, where they are few."""

    def count_chats(self, upstreams: int) -> int:
        """Return how many chats to run: for many upstreams half as many for each, which takes long enough."""
        return self.chats * upstreams // (2 if upstreams > FEW_UPSTREAMS else 1)


WORKLOADS: Mapping[str, Workload] = {
    "chats": Workload(write_chats, 1.5, 150),
    "documents as first messages": Workload(write_document_questions, 2.2, 300),
    "documents as second messages": Workload(partial(write_document_questions, system_tokens=300), 2.2, 300),
    "votes": Workload(write_votes, 0.35, 60),
}


def next_pause(random: Random, now: float, rate: float) -> float:
    """Seconds until the next arrival."""
    is_burst = int(now / BURST_SECONDS) % 10 == 9
    return random.expovariate(rate * (BURST_FACTOR if is_burst else 1.0))
