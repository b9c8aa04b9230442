"""Replays a strategy over a bank: the strategy's own code, unchanged, on samples that are already drawn.

The bank plays the engine: the k-th decode is the k-th sample of an order that is shuffled for each repeat, and takes as
many seconds of virtual time as it has tokens. Thus samples finish in the order in which they would, an aborted sample
costs what it had decoded, and the virtual time that passes is the sequential depth. What no bank holds, such as a
verdict, is asked of a fallback server, where there is one, and takes its tokens' time too. Answers are grouped by the
equality of a served request, its prover included, whose time does not count.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from cogitate.server.engine.context_limit import SamplePromptTooLong
from cogitate.server.errors import ApiError
from cogitate.server.evaluation import virtual_time
from cogitate.server.evaluation.arms import Arm, BadArm
from cogitate.server.evaluation.equality import LazyProver
from cogitate.server.evaluation.few_shot import build_messages
from cogitate.server.evaluation.question import Question
from cogitate.server.evaluation.replay_engine import Fallback, ReplayEngine
from cogitate.server.evaluation.results import Result, overlong_result
from cogitate.server.evaluation.sample import Sample
from cogitate.server.evaluation.sample_bank import Bank
from cogitate.server.planning.verifier_checks import (
    check_comparative_verifiers,
    check_verifier_names,
    check_verifier_options,
)
from cogitate.strategies import AnyStrategy
from cogitate.strategies.core.answer_reader import AnswerReader
from cogitate.strategies.core.events import Finished
from cogitate.strategies.core.execute import execute
from cogitate.strategies.core.models import EnginesByModel
from cogitate.strategies.core.ports import Engine, Verifier
from cogitate.strategies.core.programs import NoPrograms
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.session import RequestContext, Session
from cogitate.strategies.core.trace import count_candidates, usage
from cogitate.strategies.core.types import Sampling
from cogitate.strategies.core.vote_prior import VotePrior
from cogitate.strategies.verifiers import BUILT_IN


def check_arms(arms: Sequence[Arm]) -> None:
    """Raises BadArm where a strategy cannot be replayed, whatever the bank holds."""
    for arm in arms:
        try:
            _check_arm(arm)
        except ApiError as error:
            raise BadArm(f"{arm.name}: {error}") from None


def _check_arm(arm: Arm) -> None:
    """Raises BadArm, ApiError."""
    if arm.strategy.instruction is not None:
        raise BadArm(f"{arm.name}: the bank's samples were drawn with the bank's instruction: leave `instruction` out")
    if arm.strategy.program_runs:
        raise BadArm(f"{arm.name}: it runs programs, and a replay has no sandbox: measure it live, without --bank")
    known = _verifiers(arm.strategy)
    check_verifier_options(arm.strategy)
    check_verifier_names(arm.strategy, known)
    check_comparative_verifiers(arm.strategy, known)


def replay(
    arm: Arm,
    question: Question,
    bank: Bank,
    repeat: int = 0,
    fallback: Fallback | None = None,
    prior: VotePrior | None = None,
    others: Mapping[str, Bank] = MappingProxyType({}),
) -> Result:
    """Replays one arm on one question, with a prior on its votes. Blocks: it runs an event loop in virtual time.

    `others`: the banks of further models by name. All get the first bank's prompt.

    Raises NotInBank, FallbackFailed, SampleFailed, NoOutcome.
    """
    order = shuffle(bank.non_greedy(question.id), f"{question.id}/{repeat}")
    messages = build_messages(bank.recipe.shots, question.text + bank.recipe.instruction)
    prompt = Prompt(tuple(Message(m["role"], m["content"]) for m in messages), original_question=question.text)
    engine = ReplayEngine(prompt, order, bank.greedy(question.id), fallback)
    engines: dict[str, Engine] = {"": engine, bank.recipe.model: engine}
    for name, other in others.items():
        own = shuffle(other.non_greedy(question.id), f"{question.id}/{repeat}/{name}")
        engines[name] = ReplayEngine(prompt, own, other.greedy(question.id), fallback)
    try:
        return virtual_time.run(_solve(arm, question, prompt, EnginesByModel(engines), repeat, prior))
    except SamplePromptTooLong:
        return overlong_result(arm.name, question.id, repeat)


def shuffle(samples: Sequence[Sample], seed: str) -> list[Sample]:
    """Return the samples in an order that depends on the seed alone, so that strategies are compared in pairs."""
    return random.Random(seed).sample(samples, len(samples))


def _verifiers(strategy: AnyStrategy) -> Mapping[str, Verifier]:
    """The verifiers that need no configuration of a server, and those made of the strategy's own options."""
    return strategy.build_verifiers(BUILT_IN, NoPrograms())


def _alternatives(strategy: AnyStrategy) -> int:
    """How many alternatives per token the strategy or its verifiers read."""
    known = _verifiers(strategy)
    numbers = (strategy.logprobs, *(known[name].logprobs for name in strategy.verifiers if name in known))
    return max((number for number in numbers if number), default=0)


async def _solve(
    arm: Arm, question: Question, prompt: Prompt, engine: Engine, repeat: int, prior: VotePrior | None
) -> Result:
    strategy = arm.strategy
    session = Session(
        engine=engine,
        prover=LazyProver(),
        verifiers=_verifiers(strategy),
        request=RequestContext(
            # Log-probabilities are always asked for: those of the chosen tokens break ties.
            sampling=Sampling(temperature=strategy.temperature, logprobs=_alternatives(strategy)),
            reader=AnswerReader(format=strategy.answer_format, vote_on=strategy.vote_on),
            vote_prior=prior,
        ),
    )
    finished = await execute(strategy, prompt, session)
    return _to_result(arm.name, question, repeat, finished, session)


def _to_result(arm: str, question: Question, repeat: int, finished: Finished, session: Session) -> Result:
    tokens, outcome = usage(session.trace), finished.outcome
    answer = question.answer(outcome.completion.text, outcome.answer)
    return Result(
        arm=arm,
        question=question.id,
        repeat=repeat,
        correct=question.is_right(answer),
        answer=answer.raw if answer else None,
        tokens=tokens.completion,
        aborted=tokens.aborted,
        verifier=tokens.verifier,
        prompt=tokens.prompt,
        candidates=count_candidates(session.trace),
        depth=asyncio.get_running_loop().time(),
        stopped=finished.stopped,
    )
