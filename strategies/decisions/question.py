"""Questions with labelled options, and the orders in which the options are shown."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Literal

from cogitate.strategies.core.label_probs import MAX_LABELS

Part = Mapping[str, object]
"""A part of a chat message's content: text, or an image."""
Order = tuple[int, ...]
"""Indices of the options, in the order in which they are shown."""
OrderSet = Literal["balanced", "all", "one"]
"""Which orders are asked.

`balanced`: every rotation, forwards and backwards, so that each option stands equally often at each place; up to three
options these are all orders. `all`: every order. `one`: a fixed one.
"""
MAX_OPTIONS = MAX_LABELS
"""Each has a letter."""
MAX_PERMUTED_OPTIONS = 5
"""The most options that are shown in all orders: 120."""


@dataclass(frozen=True, slots=True, order=True)
class Option:
    """One possible answer."""

    name: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about the evidence.

    `is_scale`: the options are levels, whose sequence has a meaning.
    """

    instructions: tuple[Part, ...]
    options: tuple[Option, ...]
    is_scale: bool = False

    @property
    def base_order(self) -> Order:
        """An order that does not depend on how the client ordered the options, or on the direction of its scale."""
        count = len(self.options)
        if not self.is_scale:
            return tuple(sorted(range(count), key=self.options.__getitem__))
        forwards = tuple(range(count))
        return forwards if self.options <= self.options[::-1] else forwards[::-1]

    def list_orders(self, orders: OrderSet) -> list[Order]:
        """Return the orders in which the options are shown, each once."""
        base = self.base_order
        if orders == "one":
            return [base]
        if orders == "all":
            return list(permutations(base))
        return list(dict.fromkeys([*rotate(base), *rotate(base[::-1])]))


def rotate(order: Order) -> list[Order]:
    """Return all rotations of an order."""
    return [order[start:] + order[:start] for start in range(len(order))]


def count_orders(options: int, orders: OrderSet) -> int:
    """Return the number of orders of so many options, without listing them."""
    match orders:
        case "one":
            return 1
        case "all":
            return math.factorial(options)
    return options if options <= 2 else 2 * options


def restore_order(values: Sequence[float], order: Order) -> list[float]:
    """Return values that are given by place as values by option."""
    by_option = dict(zip(order, values, strict=True))
    return [by_option[option] for option in range(len(order))]
