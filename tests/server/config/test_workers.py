"""Which settings several workers need, and what each gets of a limit."""

import pytest
from pydantic import ValidationError

from cogitate.server.config.workers import share_of
from cogitate.server.settings import Settings

REMOTE = {"engine": "openai", "upstream": "http://a/v1"}
REDIS = {"redis_url": "redis://localhost"}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"workers": 2}, "--workers 2 needs --engine openai: .* --api-server-count"),
        ({"workers": 2, **REMOTE}, "--workers 2 needs --redis-url"),
        ({"workers": 3, "max_generations": 2, **REMOTE, **REDIS}, "--max-generations 2 is less than one for each"),
        ({"workers": 0, **REMOTE}, "greater than or equal to 1"),
    ],
)
def test_workers_that_could_not_act_as_one_are_refused_by_name(fields, reason):
    with pytest.raises(ValidationError, match=reason):
        Settings(**fields)


def test_one_worker_needs_nothing_and_more_need_a_redis():
    assert Settings(workers=1).workers == 1
    assert Settings(workers=4, max_generations=4, **REMOTE, **REDIS).workers == 4


@pytest.mark.parametrize(("total", "workers"), [(7, 3), (3, 3), (64, 2), (1000, 7)])
def test_parts_of_a_limit_add_up_to_it(total, workers):
    parts = [share_of(total, workers, number) for number in range(1, workers + 1)]
    assert sum(part or 0 for part in parts) == total and max(parts) - min(parts) <= 1
    assert share_of(None, workers, 1) is None
