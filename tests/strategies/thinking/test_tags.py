import pytest

from cogitate.strategies.thinking.tags import is_thinking

OPENS, CLOSES = [1], [2, None]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [([], False), ([7], False), ([1, 7], True), ([1, 7, 2, 8], False), ([2, 7, 1], True), ([1, 2, 1], True)],
)
def test_last_tag_decides_whether_the_model_is_thinking(ids, expected):
    assert is_thinking(ids, OPENS, CLOSES) is expected


def test_model_without_tags_is_never_thinking():
    assert not is_thinking([1, 2, 3], [None], [None])
