"""One line per strategy: the registry is this union, and its JSON schema is the public API."""

from typing import Annotated

from pydantic import Field, TypeAdapter

from cogitate.strategies.auto import Auto
from cogitate.strategies.beam_search import BeamSearch
from cogitate.strategies.best_of_n import BestOfN
from cogitate.strategies.budget_forcing import BudgetForcing
from cogitate.strategies.chain_of_thought import ChainOfThought
from cogitate.strategies.dvts import Dvts
from cogitate.strategies.particle_filter import ParticleFilter
from cogitate.strategies.program_aided import ProgramAided
from cogitate.strategies.selection import Selection
from cogitate.strategies.self_consistency import SelfConsistency
from cogitate.strategies.self_refine import SelfRefine
from cogitate.strategies.synthesis import Synthesis

AnyStrategy = Annotated[
    ChainOfThought
    | SelfConsistency
    | BestOfN
    | BeamSearch
    | Dvts
    | ParticleFilter
    | BudgetForcing
    | SelfRefine
    | Selection
    | Synthesis
    | ProgramAided
    | Auto,
    Field(discriminator="name"),
]

STRATEGIES = {
    strategy.model_fields["name"].default: strategy
    for strategy in (
        ChainOfThought,
        SelfConsistency,
        BestOfN,
        BeamSearch,
        Dvts,
        ParticleFilter,
        BudgetForcing,
        SelfRefine,
        Selection,
        Synthesis,
        ProgramAided,
        Auto,
    )
}
parse: TypeAdapter[AnyStrategy] = TypeAdapter(AnyStrategy)
