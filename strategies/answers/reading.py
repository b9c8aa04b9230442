"""Reads what type of value an answer is. Only two of one type are ever compared: `compare.py` has the rules."""

import re
from functools import lru_cache

from cogitate.strategies.answers import latex
from cogitate.strategies.answers.json_answer import canonical_json
from cogitate.strategies.answers.notations import read_notation
from cogitate.strategies.answers.relations import merge_labels, read_relation
from cogitate.strategies.answers.scalars import fold, open_text_boxes, read_compound, read_scalar
from cogitate.strategies.answers.structure import (
    SEPARATORS,
    join_thousands,
    split_at,
    split_brackets,
    split_matrix,
)
from cogitate.strategies.answers.values import (
    BRACKETS,
    Brackets,
    Json,
    Labelled,
    Matrix,
    Sequence,
    Text,
    Union,
    Value,
    Written,
)

_MAX_CHARACTERS = 2_000
_MAX_DEPTH = 4
_MAX_ITEMS = 200
_WRAPPERS = re.compile(r"(?:Matrix|(?:np\.)?array|set|frozenset|tuple|list)\((.*)\)", re.DOTALL)
_TYPED_NUMBER = re.compile(
    r"(?:Decimal|mpf|mpz|(?:np\.)?(?:float|int)(?:16|32|64)?|Integer|Float)\(['\"]?(-?[0-9.]+(?:e[-+]?[0-9]+)?)['\"]?\)"
)
EMPTY: dict[str, Brackets] = {"(": "()", "[": "[]"}
"""The brackets of a collection without items, by the opening one; a set for any other."""
_CUP = frozenset([r"\cup"])


@lru_cache(maxsize=8192)
def read_value(text: str, *, is_ordered: bool = False) -> Value:
    """The typed value of an answer's text. `is_ordered`: a bare list is in the order that the question asks for.

    Never raises. A text that is too long or nested too deeply is a Text.
    """
    bare = text.strip(" \t\r\n*`")
    if bare.startswith("{") and (json_text := canonical_json(bare)):
        return Json(json_text)
    if len(bare) > _MAX_CHARACTERS:
        return Text(bare)
    if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "'\"":
        bare = bare[1:-1]
    tidy = open_text_boxes(latex.strip_layout(bare).strip('"').rstrip(" .,;"))
    value = _read(join_thousands(tidy), 0)
    if isinstance(value, Sequence) and value.brackets == "":
        return Sequence("[]", value.items) if is_ordered else _sort(value)
    if isinstance(value, Labelled) and isinstance(value.value, Sequence) and value.value.brackets == "":
        return Labelled(value.label, _sort(value.value))
    return value


def _sort(value: Sequence) -> Sequence:
    return Sequence(value.brackets, tuple(sorted(value.items, key=lambda item: (len(item.key), item.key))))


def _read(text: str, depth: int) -> Value:
    text = text.strip().rstrip(" .,;")
    if depth > _MAX_DEPTH or not text:
        return Text(fold(text))
    if (written := read_notation(text)) is not None:
        return Written(written)
    if amount := read_compound(text):
        return amount
    if wrapped := _WRAPPERS.fullmatch(text) or _TYPED_NUMBER.fullmatch(text):
        text = wrapped[1]
    if text == r"\emptyset":
        return Sequence("{}", ())
    if rows := split_matrix(text):
        return Matrix(tuple(tuple(_read(cell, depth + 1) for cell in row) for row in rows))
    return _read_brackets(text, depth) or _read_union(text, depth) or _read_list(text, depth) or _read_one(text, depth)


def _read_one(text: str, depth: int) -> Value:
    return read_relation(text, lambda part: _read(part, depth + 1)) or read_scalar(text)


def _read_brackets(text: str, depth: int) -> Value | None:
    opening, body, closing = split_brackets(text)
    if not opening:
        return None
    split = split_at(body, frozenset([",", ";"]))
    if split is None or len(split[0]) > _MAX_ITEMS:
        return Text(fold(text))
    parts = [part for part in split[0] if part]
    if not parts:
        return Sequence(EMPTY.get(opening, "{}"), ())
    if len(parts) == 1 and opening in ("(", "{"):
        return _read(body, depth + 1)
    items = tuple(_read_item(part, depth + 1) for part in parts)
    if opening in ("{", r"\{"):
        return _to_set(items)
    pair = BRACKETS.get(opening + closing)
    if pair is None or (pair in ("(]", "[)") and len(items) != 2):
        return Text(fold(text))
    return Sequence(pair, items)


def _read_item(text: str, depth: int) -> Value:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return _read(text[1:-1] if quoted else text, depth)


def _to_set(items: tuple[Value, ...]) -> Value:
    by_key = {item.key: item for item in items}
    return Sequence("{}", tuple(by_key[key] for key in sorted(by_key)))


def _read_union(text: str, depth: int) -> Value | None:
    split = split_at(text.replace(" U ", r" \cup "), _CUP)
    if split is None or len(split[0]) < 2 or not all(split[0]):
        return None
    parts = [_read(part, depth + 1) for part in split[0]]
    if not all(isinstance(part, Sequence) and part.brackets for part in parts):
        return None
    return Union(tuple(sorted(parts, key=lambda part: part.key)))


def _read_list(text: str, depth: int) -> Value | None:
    """A bare list; alternatives with a sign before them, `\\pm 2`, are one too."""
    split = split_at(text, SEPARATORS)
    if split is None:
        return None
    parts, signs = split
    parts = [variant for part in parts for variant in _expand_signs(part) if variant]
    if len(parts) < 2 or len(parts) > _MAX_ITEMS:
        return None
    items = [_read(part, depth + 1) for part in parts]
    if any(isinstance(item, Text) for item in items):
        return (
            Text(fold(text)) if any(sign.isalpha() for sign in signs) else Text(", ".join(item.key for item in items))
        )
    if labelled := merge_labels(items, signs):
        return labelled
    if any(isinstance(item, Written) for item in items):
        return Written(", ".join(item.key for item in items))
    return Sequence("", tuple(items))


def _expand_signs(part: str) -> list[str]:
    if r"\pm" not in part and r"\mp" not in part:
        return [part]
    return [re.sub(r"\\pm(?![A-Za-z])", one, re.sub(r"\\mp(?![A-Za-z])", other, part)) for one, other in ("+-", "-+")]
