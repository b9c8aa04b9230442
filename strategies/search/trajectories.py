"""Particles with all that they were, from the root on: what particle Gibbs keeps one of, and branches from. Pure."""

from collections.abc import Iterable, Sequence

from cogitate.strategies.search.resampling import odds
from cogitate.strategies.search.steps import Path

Line = tuple[Path, ...]


def heads(lines: Iterable[Line]) -> list[Path]:
    """What the particles are now."""
    return [line[-1] for line in lines]


def going(lines: Iterable[Line]) -> list[Path]:
    return [path for path in heads(lines) if not path.done]


def longer(lines: Iterable[Line], steps: Iterable[Path | None]) -> list[Line]:
    """Those that go on, each by its step; without those whose step was lost."""
    grown, following = list[Line](), iter(steps)
    for line in lines:
        if line[-1].done:
            grown.append(line)
        elif step := next(following):
            grown.append((*line, step))
    return grown


def chances(lines: Iterable[Line], temperature: float) -> list[float]:
    """The verifier's odds of each, as shares."""
    return odds([path.worth for path in heads(lines)], temperature)


def together(lines: Sequence[Line], kept: Line) -> list[Line]:
    """All of them, and the one that is kept, if there is one."""
    return [*lines, kept] if kept else list(lines)
