import pytest

from cogitate.strategies.answers.json_answer import canonical_json, find_json


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ('{"b": 1, "a": 18.0}', '{"a":18,"b":1}'),
        ("[1.50, -0, 1e2, 1E-7]", "[1.5,0,100,1e-07]"),
        ('["18.0", true, null]', '["18.0",true,null]'),
        ('{"é": "\\u00e9"}', '{"\\u00e9":"\\u00e9"}'),
        ("18.0", "18"),
        ("[NaN]", None),
        ("[Infinity]", None),
        ("[1e400]", None),
        ("{'a': 1}", None),
        ("", None),
        ("[" * 100_000, None),
    ],
)
def test_equal_values_have_equal_canonical_json(raw: str, expected: str | None) -> None:
    assert canonical_json(raw) == expected


def test_booleans_and_strings_differ_from_numbers() -> None:
    assert len({canonical_json("[1]"), canonical_json("[true]"), canonical_json('["1"]')}) == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('It is {"a": 1}.', '{"a": 1}'),
        ('```json\n{"a": [1, 2]}\n```', '{"a": [1, 2]}'),
        ('{"a": 1}\n{"a": 2}', '{"a": 2}'),
        ('{"a": 1} and then {"a": ', '{"a": 1}'),
        ('the set {1, 2} is {"a": 1', None),
        ('{"a": "}"}', '{"a": "}"}'),
        (r'{"a": "\"}"}', r'{"a": "\"}"}'),
        ('a 5" pipe: {"a": "b"}', '{"a": "b"}'),
        ('(see [Here: {"a": 1}])', '{"a": 1}'),
        (r"\boxed{[1, 2]}", "[1, 2]"),
        ('open [ bracket {"a": 1}', '{"a": 1}'),
        ('{"a": [1}', None),
        ("{'a': [1, 2]}", None),
        ('{"a": [1, 2],}', None),
        ('[0] {"a": [1, 2],}', "[0]"),
        ('{"a": "x\n"}', None),
        ("no json", None),
        ('"just text"', None),
    ],
)
def test_last_complete_object_or_array_is_found(text: str, expected: str | None) -> None:
    assert find_json(text) == expected


def test_too_long_json_is_skipped_with_all_its_parts() -> None:
    assert find_json("[" + "[1], " * 200 + "[1]]") is None
