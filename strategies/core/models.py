"""Several models in one strategy: how many candidates each draws, in which order, and the engine of all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from cogitate.strategies.core.options import Options
from cogitate.strategies.core.ports import Engine, OnAbort, OnText
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.types import Completion, Sampling

MAX_MODELS = 8
ModelName = Annotated[str, Field(min_length=1, max_length=512)]


class ModelShare(BaseModel):
    """A model that draws candidates, and how many."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    model: ModelName
    n: int | None = Field(
        default=None, ge=1, le=256, description="Its candidates. null: an equal share of what the others leave of `n`."
    )


def _expand_name(value: object) -> object:
    return {"model": value} if isinstance(value, str) else value


class ModelsOptions(Options):
    """The options of strategies whose candidates several models may draw."""

    may_stop_early: ClassVar[bool] = False
    """Whether it may end before the last of its models has drawn."""

    models: tuple[
        Annotated[ModelShare, BeforeValidator(_expand_name, json_schema_input_type=ModelShare | str)], ...
    ] = Field(
        default=(),
        max_length=MAX_MODELS,
        strict=False,
        description="Models that draw the candidates, each a name or `{model, n}`. Empty: the request's own model, "
        "which also does all else that the strategy asks of a model.",
    )
    order: Literal["in_order", "together"] | None = Field(
        default=None,
        description="`in_order`: the next of `models` is asked only where the vote is still open; `together`: all "
        "draw at once. null: `in_order` for a vote, otherwise `together`.",
    )

    @model_validator(mode="before")
    @classmethod
    def _sum_shares(cls, values: Any) -> Any:  # noqa: ANN401 not validated yet
        """Set `n` to the sum of the models' own, where each has one."""
        models = values.get("models") if isinstance(values, dict) and "n" not in values else None
        shares = [one.get("n") if isinstance(one, dict) else None for one in models] if isinstance(models, list) else []
        is_counted = bool(shares) and all(isinstance(n, int) for n in shares)
        return values | {"n": sum(n for n in shares if n)} if is_counted else values

    @model_validator(mode="after")
    def _check_models(self) -> "ModelsOptions":
        names = [one.model for one in self.models]
        if len(set(names)) < len(names):
            raise ValueError("models names one model twice: give its n instead")
        if self.order and not self.models:
            raise ValueError("order applies only with models")
        if self.order == "in_order" and not self.may_stop_early:
            raise ValueError("order in_order needs a vote that may end before the last model: use together")
        if self.models and self.draws < self.min_candidates:
            raise ValueError(f"models needs n to be at least {self.min_candidates}, the candidates of its models")
        if self.models and self.draws > self.min_candidates and all(one.n for one in self.models):
            raise ValueError("n is not the sum of the n of its models: omit one of them")
        return self

    @property
    def draws(self) -> int:
        """The number of candidates that the models draw in all."""
        return self.candidates

    @property
    def min_candidates(self) -> int:
        return sum(one.n or 1 for one in self.models) or 1

    @property
    def single(self) -> Mapping[str, object]:
        """One candidate of each model."""
        if not self.models:
            return {"n": 1}
        return {"n": len(self.models), "models": tuple(one.model_copy(update={"n": 1}) for one in self.models)}

    @property
    def model_names(self) -> tuple[str, ...]:
        return tuple(one.model for one in self.models)

    @property
    def other_models(self) -> Mapping[str, tuple[str, ...]]:
        return {**super().other_models, "models": self.model_names}

    @property
    def shares(self) -> tuple[int, ...]:
        """The candidates of each model. What is left of the draws is shared equally; the last ones have the rest."""
        open_shares = sum(one.n is None for one in self.models)
        left = self.draws - sum(one.n or 0 for one in self.models)
        shares = list[int]()
        for one in self.models:
            shares.append(one.n or left // open_shares)
            left, open_shares = (left, open_shares) if one.n else (left - shares[-1], open_shares - 1)
        return tuple(shares)

    def assign(self, prompt: Prompt) -> list[list[Prompt]]:
        """Return one prompt for each candidate, by the models that draw one after the other.

        Where they draw together there is one list, in which the models take turns.
        """
        if not self.models:
            return [[prompt] * self.draws]
        drawn = zip(self.model_names, self.shares, strict=True)
        waves = [[own] * n for own, n in ((prompt.to_model(name), n) for name, n in drawn)]
        return waves if self.may_stop_early and self.order != "together" else [interleave(waves)]


def interleave(waves: Sequence[Sequence[Prompt]]) -> list[Prompt]:
    """Return the first of each list, then the second of each, and so on."""
    return [one for one in chain.from_iterable(zip_longest(*waves)) if one is not None]


@dataclass(frozen=True, slots=True)
class EnginesByModel:
    """The Engine of several models: each prompt goes to the model that it names."""

    engines: Mapping[str, Engine]
    """By name; that of the empty name is the request's own."""

    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, on_text: OnText | None = None, on_abort: OnAbort | None = None
    ) -> Completion:
        return await self.engines[prompt.model].generate(prompt, sampling, on_text=on_text, on_abort=on_abort)
