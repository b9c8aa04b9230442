"""The Verifier port over a reward model in a vLLM engine.

A model with a head of its own is scored by vLLM's pooling runner. A model that states its verdict as a token is scored
by the log-probabilities of the label tokens, one prefix of the solution per step, which share the engine's prefix
cache.
"""

import asyncio
from collections.abc import Mapping, Sequence

from vllm import PoolingParams, SamplingParams
from vllm.sampling_params import RequestOutputKind
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.exceptions import EngineDeadError

from cogitate.server.engine.reward.engine import start_generative_engine, start_reward_engine
from cogitate.server.engine.reward.formats import GENERATIVE
from cogitate.server.engine.reward.generative import GenerativeRewardModel
from cogitate.server.engine.reward.run import Output, RewardEngine
from cogitate.server.engine.reward.tokenize import RewardTokenizer, TokenizedSolution
from cogitate.server.errors import NotReady
from cogitate.strategies.core.ports import Ability, Ask, Verdict
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.types import Completion


async def open_reward_model(
    model: str, engine_args: Mapping[str, object], format_name: str | None = None
) -> "RewardModel | GenerativeRewardModel":
    """Start a reward model. Arguments and errors: `start_reward_engine`."""
    if format_name == GENERATIVE:
        return GenerativeRewardModel(*await start_generative_engine(model, engine_args))
    return RewardModel(*await start_reward_engine(model, engine_args, format_name))


class RewardModel(RewardEngine):
    """Scores each step of a solution. Belongs to the event loop in which it was opened."""

    logprobs: None = None
    needs: frozenset[Ability] = frozenset()
    compares: bool = False
    is_pure: bool = False

    def __init__(self, llm: AsyncLLM, tokenizer: RewardTokenizer, salt: str | None = None) -> None:
        """`salt`: requests share the engine's prefix cache with requests of the same salt only."""
        super().__init__(llm, salt)
        self.aggregation = tokenizer.format.aggregation
        self._tokenizer = tokenizer
        self._max_model_len: int = llm.model_config.max_model_len
        self._params = build_params(tokenizer)

    async def judge(self, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
        """Score solutions in one batch. Cancelling the call aborts the engine's work on it.

        A solution without steps, or longer than the context, has an empty verdict. Raises NotReady where the engine
        has ended.
        """
        texts = [solution.text for solution in solutions]
        tokenized = await asyncio.to_thread(lambda: [self._tokenize(question.question, text) for text in texts])
        try:
            logits = iter(await self._fetch_logits([solution for solution in tokenized if solution]))
        except EngineDeadError:
            raise NotReady("The reward model has stopped; the server is going down.", code="engine_dead") from None
        return [self._to_verdict(solution, next(logits)) if solution else Verdict(()) for solution in tokenized]

    def with_salt(self, salt: str) -> "RewardModel":
        """Return this model for one tenant: response times reveal nothing of other tenants' questions."""
        return RewardModel(self.llm, self._tokenizer, salt)

    def _tokenize(self, question: str, text: str) -> TokenizedSolution | None:
        """Tokenize a solution; None where it cannot be scored."""
        steps = self._tokenizer.format.split_steps(text)
        if not steps:
            return None
        solution = self._tokenizer.tokenize(question, steps)
        room = self._max_model_len - (self._tokenizer.format.source == "vocabulary")
        return solution if len(solution.ids) <= room and len(solution.score_positions) == len(steps) else None

    def _to_verdict(self, solution: TokenizedSolution, logits: list[list[float]]) -> Verdict:
        scores = self._tokenizer.format.to_scores(logits)
        return Verdict(scores if len(scores) == len(solution.score_positions) else (), tokens=len(solution.ids))

    async def _fetch_logits(self, solutions: Sequence[TokenizedSolution]) -> list[list[list[float]]]:
        """Return [steps][labels] for each solution, in order."""
        if self._tokenizer.format.source != "vocabulary":
            outputs = await self.run([solution.ids for solution in solutions], self._params)
            return [self._select_rows(output, solution) for output, solution in zip(outputs, solutions, strict=True)]
        prefixes = [solution.ids[: at + 1] for solution in solutions for at in solution.score_positions]
        labels = self._tokenizer.label_ids
        rows = iter([read_label_logprobs(output, labels) for output in await self.run(prefixes, self._params)])
        return [[next(rows) for _ in solution.score_positions] for solution in solutions]

    def _select_rows(self, output: Output, solution: TokenizedSolution) -> list[list[float]]:
        """Return a head's logits at the score positions, [steps][labels]."""
        data: list[list[float]] = output.outputs.data.tolist()
        if self._tokenizer.format.source == "sequence":
            return [output.outputs.data.flatten().tolist()]
        return data if self._tokenizer.tag_id is not None else [data[at] for at in solution.score_positions]


def build_params(tokenizer: RewardTokenizer) -> PoolingParams | SamplingParams:
    """Return the parameters of every request to the engine."""
    match tokenizer.format.source:
        case "vocabulary":
            labels = tokenizer.label_ids
            return SamplingParams(
                max_tokens=1,
                temperature=0.0,
                logprobs=len(labels),
                logprob_token_ids=labels,
                output_kind=RequestOutputKind.FINAL_ONLY,
            )
        case "sequence":
            return PoolingParams(task="classify", use_activation=False)
    return PoolingParams(task="token_classify", use_activation=False, step_tag_id=tokenizer.tag_id)


def read_label_logprobs(output: Output, labels: Sequence[int]) -> list[float]:
    """Return the labels' log-probabilities as the next token. Their softmax equals that of their logits."""
    (sequence,) = output.outputs
    position = sequence.logprobs[0] if sequence.logprobs else {}
    return [position[label].logprob for label in labels if label in position]
