from hypothesis import given
from hypothesis import strategies as st

from cogitate.strategies.search.steps import Path
from cogitate.strategies.search.trajectories import extend_trajectories
from tests.fakes.run import QUESTION


@given(st.lists(st.booleans(), max_size=8), st.data())
def test_trajectories_grow_by_their_own_steps(done, data):
    lines = [(Path(QUESTION), Path(QUESTION, done=ended, score=at)) for at, ended in enumerate(done)]
    steps = [
        data.draw(st.sampled_from([None, Path(QUESTION, score=100 + at)])) for at, ended in enumerate(done) if not ended
    ]
    grown = extend_trajectories(lines, steps)
    assert len(grown) == len(lines) - steps.count(None)
    for line in grown:
        assert line[1].done or line[2].score - 100 == line[1].score
