"""Decodes that start before it is known whether they are needed, each under the name of its branch."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from cogitate.strategies.core.ports import Engine, OnAbort
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.types import Completion, Sampling


@dataclass(slots=True, eq=False)
class EarlyDecode:
    """One of them, from its start until it is taken or dropped."""

    branch: str
    prompt: Prompt
    sampling: Sampling
    depth: int
    """The depth of the search where it started, in tokens."""
    seconds: float
    """When it started, since the search began."""
    number: int
    """A negative index, by which what continues it names it until it has one of the search's."""
    partial: Completion | None = None
    """What was decoded when it was aborted."""
    task: asyncio.Task[Completion | Exception] = field(init=False)

    async def run(self, engine: Engine) -> Completion | Exception:
        """Decode it; return a failure, which matters only to whoever takes it."""

        def on_abort(partial: Completion) -> None:
            self.partial = replace(partial, index=self.number)

        try:
            made = await engine.generate(self.prompt, self.sampling, on_abort=on_abort)
            return replace(made, index=self.number)
        except Exception as failure:  # noqa: BLE001 raised again where it is taken
            return failure

    async def finish(self, on_abort: OnAbort) -> Completion:
        """Wait for its end in place of a decode. Cancelling the caller aborts it. Raises what the engine raised."""
        try:
            result = await self.task
        except asyncio.CancelledError:
            if made := self.made:
                on_abort(made)
            raise
        if isinstance(result, Exception):
            raise result
        return result

    @property
    def made(self) -> Completion | None:
        """What it decoded, once its task is done; None where it failed or had not begun."""
        if self.partial or self.task.cancelled() or not self.task.done():
            return self.partial
        result = self.task.result()
        return result if isinstance(result, Completion) else None

    @property
    def has_failed(self) -> bool:
        """Whether it ended without a completion."""
        return self.task.done() and self.made is None


OnDrop = Callable[[EarlyDecode, Completion], object]


def ignore(early: EarlyDecode, made: Completion) -> None:
    """Drop an early decode without a record."""


@dataclass(slots=True)
class EarlyDecodes:
    """The early decodes of one search: a decode that asks for exactly the same takes one over.

    `on_drop` gets what an early decode has made that nobody took, when it has ended.
    """

    on_drop: OnDrop = ignore
    _is_open: bool = False
    _spare: int | None = None
    """Tokens that may still be spent on them; None: no limit. One that is taken costs none of them."""
    _open: dict[str, EarlyDecode] = field(default_factory=dict)
    """By branch."""
    _live: set[EarlyDecode] = field(default_factory=set)
    """Those of them that are being decoded."""
    _ending: set[asyncio.Task[Completion | Exception]] = field(default_factory=set)
    _started: int = 0
    _indices: dict[int, int] = field(default_factory=dict)
    """The index in the search of each one that was taken or dropped, by its number."""
    _orphans: dict[int, list[tuple[EarlyDecode, Completion]]] = field(default_factory=dict)
    """Those that were dropped before what they continue had an index, by its number."""

    @property
    def running(self) -> int:
        """How many are being decoded."""
        return len(self._live)

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, branch: object) -> bool:
        return branch in self._open

    def open(self, spare: int | None, on_drop: OnDrop) -> None:
        """Let decodes start, and spend `spare` tokens on those that nobody takes; None: no limit."""
        self._is_open, self._spare, self.on_drop = True, spare, on_drop

    def start(self, early: EarlyDecode, engine: Engine, on_end: Callable[[], object]) -> None:
        """Start one, unless its limit is more than the tokens to spare. `on_end` is called when it ends."""
        if not self._is_open or not self._reserve(early.sampling.max_tokens):
            return
        early.task = asyncio.create_task(early.run(engine))
        self._open[early.branch] = early
        self._live.add(early)
        early.task.add_done_callback(partial(self._end, early, on_end))

    def take(self, branch: str, prompt: Prompt, sampling: Sampling) -> EarlyDecode | None:
        """Return the branch's decode, which is then the caller's, where it is the same decode and has not failed."""
        early = self._open.get(branch)
        if early is None or early.prompt != prompt or early.sampling != sampling or early.has_failed:
            return None
        self._remove(early)
        self._refund(early, 0)
        return early

    def take_number(self) -> int:
        """Return the number of a new one."""
        self._started += 1
        return -self._started

    def number_of(self, parent: int | None) -> int | None:
        """Return the index of what a decode continues, which may have been an early decode."""
        return None if parent is None else self._indices.get(parent, parent)

    def assign(self, early: EarlyDecode, index: int) -> None:
        """Give a decode that was taken or dropped its index in the search."""
        self._indices[early.number] = index
        for orphan, made in self._orphans.pop(early.number, ()):
            self.on_drop(orphan, made)

    def find(self, branch: str) -> Completion | None:
        """Return what a branch's decode has made; None where it has not ended, or failed."""
        return early.made if (early := self._open.get(branch)) else None

    def depth_of(self, prompt: Prompt) -> int:
        """Return the depth of the search at the end of the early decode that `prompt` continues; 0 where none does."""
        made = (
            (early, early.made)
            for early in self._open.values()
            if len(early.prompt.segments) + 1 == len(prompt.segments)
        )
        return max((e.depth + m.completion_tokens for e, m in made if m and m.continuation == prompt), default=0)

    def retain(self, is_needed: Callable[[str], bool]) -> None:
        """Abort those of all other branches."""
        for early in [early for branch, early in self._open.items() if not is_needed(branch)]:
            self._remove(early)
            self._ending.add(early.task)
            early.task.add_done_callback(partial(self._settle, early))
            early.task.cancel()

    async def close(self) -> int:
        """Abort all, wait for their ends, and return the tokens that were not spent."""
        self._is_open = False
        self.retain(lambda _: False)
        while self._ending:
            await asyncio.wait(self._ending)
            await asyncio.sleep(0)
        self.on_drop = ignore  # no cycle: what records it refers to this
        return self._spare or 0

    def _end(self, early: EarlyDecode, on_end: Callable[[], object], _: object) -> None:
        self._live.discard(early)
        on_end()

    def _remove(self, early: EarlyDecode) -> None:
        del self._open[early.branch]
        self._live.discard(early)

    def _settle(self, early: EarlyDecode, _: object) -> None:
        self._ending.discard(early.task)
        if made := early.made:
            self._refund(early, made.completion_tokens if made.tokens_known else early.sampling.max_tokens or 0)
            parent = early.prompt.parent
            if parent is None or parent >= 0 or parent in self._indices:
                self.on_drop(early, made)
            else:
                self._orphans.setdefault(parent, []).append((early, made))
        else:
            self._refund(early, 0)

    def _reserve(self, limit: int | None) -> bool:
        if self._spare is None:
            return True
        if limit is None or limit > self._spare:
            return False
        self._spare -= limit
        return True

    def _refund(self, early: EarlyDecode, used: int) -> None:
        if self._spare is not None:
            self._spare += (early.sampling.max_tokens or 0) - used
