"""The trajectories of particles from the root on: particle Gibbs retains one of them and branches from it."""

from collections.abc import Iterable, Sequence

from cogitate.strategies.search.resampling import odds
from cogitate.strategies.search.steps import Path

Trajectory = tuple[Path, ...]
"""The states of one particle, the root first."""


def last_paths(trajectories: Iterable[Trajectory]) -> list[Path]:
    """The current state of each particle."""
    return [trajectory[-1] for trajectory in trajectories]


def open_paths(trajectories: Iterable[Trajectory]) -> list[Path]:
    """The current states that are not done."""
    return [path for path in last_paths(trajectories) if not path.done]


def extend_trajectories(trajectories: Iterable[Trajectory], steps: Iterable[Path | None]) -> list[Trajectory]:
    """Append to each unfinished trajectory its step, in order; drops those whose step was lost."""
    extended, remaining_steps = list[Trajectory](), iter(steps)
    for trajectory in trajectories:
        if trajectory[-1].done:
            extended.append(trajectory)
        elif step := next(remaining_steps):
            extended.append((*trajectory, step))
    return extended


def odds_weights(trajectories: Iterable[Trajectory], temperature: float) -> list[float]:
    """The normalised odds of the particles' scores."""
    return odds([path.score_or_prior for path in last_paths(trajectories)], temperature)


def with_reference(trajectories: Sequence[Trajectory], retained: Trajectory) -> list[Trajectory]:
    """The trajectories and the retained one, if there is one."""
    return [*trajectories, retained] if retained else list(trajectories)
