"""The Verifier port over a generative reward model: it writes a rationale, then its verdict as a token.

Any chat model serves as one, above all those trained to verify (GenRM, Zhang et al., 2024, arXiv:2408.15240; ThinkPRM,
Khalifa et al., 2025, arXiv:2504.16828). It is the verifier `judge` on an engine of its own: the same prompts, the score
is P(Yes) of the verdict. Deviation: a solution has one score; the models' marks for each step are not read.
"""

import asyncio
from collections.abc import Sequence

from vllm import SamplingParams
from vllm.sampling_params import RequestOutputKind
from vllm.tokenizers import TokenizerLike
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.exceptions import EngineDeadError

from cogitate.server.engine.reward.run import RewardEngine
from cogitate.server.errors import NotReady
from cogitate.strategies.core.concurrency import run_all
from cogitate.strategies.core.ports import Ability, Ask, SampleFailed, Verdict
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.types import Aggregation, Completion
from cogitate.strategies.verifiers.judge import Judge


class GenerativeRewardModel(RewardEngine):
    """Judges each solution by P(Yes), after a rationale of at most so many tokens. Belongs to its event loop."""

    logprobs: None = None
    needs: frozenset[Ability] = frozenset()
    compares: bool = False
    is_pure: bool = False
    aggregation: Aggregation = "last"

    def __init__(
        self, llm: AsyncLLM, tokenizer: TokenizerLike, salt: str | None = None, rationale_tokens: int = 0
    ) -> None:
        super().__init__(llm, salt)
        self.rationale_tokens = rationale_tokens
        self._tokenizer = tokenizer
        self._max_model_len: int = llm.model_config.max_model_len

    def with_salt(self, salt: str) -> "GenerativeRewardModel":
        """Return this model for one tenant."""
        return GenerativeRewardModel(self.llm, self._tokenizer, salt, self.rationale_tokens)

    def with_rationale(self, tokens: int) -> "GenerativeRewardModel":
        """Return this model with rationales of at most so many tokens."""
        return GenerativeRewardModel(self.llm, self._tokenizer, self.salt, tokens)

    async def judge(self, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
        """Judge all solutions at once; empty verdicts for those that are too long. Raises NotReady."""
        try:
            return await run_all([self._judge_one(question, solution) for solution in solutions])
        except EngineDeadError:
            raise NotReady("The reward model has stopped; the server is going down.", code="engine_dead") from None

    async def _judge_one(self, question: Prompt, solution: Completion) -> Verdict:
        """Return the verdict on one solution, with the tokens that were read and decoded for it."""
        tokens, steps = 0, tuple[float, ...]()

        async def reply(
            prompts: Sequence[Prompt], labels: tuple[str, ...] = (), *, max_tokens: int = 1, greedy: bool = False
        ) -> list[Completion | None]:
            nonlocal tokens
            (prompt,) = prompts
            completion = await self.complete(prompt, labels, max_tokens)
            tokens += completion.prompt_tokens + completion.completion_tokens
            return [completion]

        try:
            (verdict,) = await Judge(self.rationale_tokens).judge(question, [solution], reply)
            steps = verdict.steps
        except SampleFailed:
            pass
        return Verdict(steps, tokens)

    async def complete(self, prompt: Prompt, labels: tuple[str, ...], max_tokens: int) -> Completion:
        """Decode greedily: a text, or one token with the log-probabilities of the labels. Raises SampleFailed."""
        ids = await asyncio.to_thread(self._encode, prompt)
        if len(ids) + max_tokens > self._max_model_len:
            raise SampleFailed("the solution is longer than the reward model's context")
        by_label = {label: self._encode_label(label) for label in labels}
        wanted = [tokens[0] for tokens in by_label.values() if len(tokens) == 1]
        params = SamplingParams(
            max_tokens=max_tokens,
            temperature=0.0,
            logprobs=len(wanted) or None,
            logprob_token_ids=wanted or None,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        (output,) = await self.run([ids], params)
        (sequence,) = output.outputs
        reported = sequence.logprobs[0] if labels and sequence.logprobs else {}
        return Completion(
            prompt=prompt,
            text=sequence.text,
            finish="length" if sequence.finish_reason == "length" else "stop",
            prompt_tokens=len(ids),
            completion_tokens=len(sequence.token_ids),
            labels={
                label: reported[tokens[0]].logprob
                for label, tokens in by_label.items()
                if len(tokens) == 1 and tokens[0] in reported
            },
        )

    def _encode(self, prompt: Prompt) -> list[int]:
        """Return the conversation's token ids, by the model's chat template, without a thought begun."""
        turns = [{"role": message.role, "content": message.text} for message in prompt.messages]
        ids: list[int] = self._tokenizer.apply_chat_template(
            turns, add_generation_prompt=True, tokenize=True, return_dict=False, enable_thinking=False
        )
        return ids

    def _encode_label(self, label: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(label, add_special_tokens=False)
        return ids
