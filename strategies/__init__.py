"""One line per strategy: the registry is this union, and its JSON schema is the public API."""

from typing import Annotated

from pydantic import Field, TypeAdapter

from strategies.auto import Auto
from strategies.beam_search import BeamSearch
from strategies.best_of_n import BestOfN
from strategies.budget_forcing import BudgetForcing
from strategies.chain_of_thought import ChainOfThought
from strategies.dvts import Dvts
from strategies.particle_filter import ParticleFilter
from strategies.program_aided import ProgramAided
from strategies.selection import Selection
from strategies.self_consistency import SelfConsistency
from strategies.self_refine import SelfRefine
from strategies.synthesis import Synthesis

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
