"""A generative reward model on the real engine: its verdict, also after a rationale, is what torch computes."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from cogitate.server.engine.vllm import env
from cogitate.server.engine.vllm.cpu_build import hide_in_model_inspection
from cogitate.strategies.core.ports import Verdict
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.prompts import RATIONALE
from cogitate.strategies.core.types import Completion
from cogitate.strategies.verifiers.judge import ask_for_verdict, build_judge_prompt

if TYPE_CHECKING:
    from cogitate.server.engine.reward.generative import GenerativeRewardModel

pytestmark = [pytest.mark.engine, pytest.mark.faults, pytest.mark.asyncio(loop_scope="module")]

QUESTION = Prompt((Message("user", "How many pink flamingos are left?"),))
ANSWERS = ["We subtract: 18 - 6 = 12.", "We add: 18 + 6 = 24.", "It is 12."]
LENGTH = 1024
TOKENS = 12


@dataclass(frozen=True, slots=True)
class Opened:
    """An open model, its tokenizer, and torch's next-token logits."""

    model: "GenerativeRewardModel"
    tokenizer: Any
    next_logits: Callable[[list[int]], Any]

    def encode(self, prompt: Prompt) -> list[int]:
        turns = [{"role": message.role, "content": message.text} for message in prompt.messages]
        ids: list[int] = self.tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
        return ids

    def share_of_yes(self, prompt: Prompt) -> float:
        labels = [self.tokenizer.convert_tokens_to_ids(label) for label in ("Yes", "No")]
        return float(self.next_logits(self.encode(prompt))[labels].softmax(-1)[0])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Opened]:
    import torch
    from transformers import AutoTokenizer

    from tests.fakes import tiny_reward_models as tiny

    env.prepare(demo=False, quiet=True)
    hide_in_model_inspection()
    from cogitate.server.engine.reward.model import open_reward_model

    folder = tmp_path_factory.mktemp("generative")
    tiny.build(folder, length=LENGTH, kind=tiny.VERDICTS, words=["Yes", "No"])
    backbone, head = tiny.load(folder, tiny.VERDICTS)

    def next_logits(ids: list[int]) -> Any:
        with torch.no_grad():
            return head(backbone(torch.tensor([ids])).last_hidden_state)[0, -1]

    engine = {"dtype": "float32", "kv_cache_memory_bytes": 64 << 20}
    model: Any = await open_reward_model(str(folder), engine, "generative")
    yield Opened(model, AutoTokenizer.from_pretrained(folder), next_logits)
    await model.close()


async def judge(model: "GenerativeRewardModel", answers: Sequence[str]) -> list[Verdict]:
    async def ask(*_: object, **__: object) -> Sequence[Completion | None]:
        raise AssertionError("a reward model does not use the engine that decodes")

    return await model.judge(QUESTION, [solution(text) for text in answers], ask)


def solution(text: str) -> Completion:
    return Completion(prompt=QUESTION, text=text, finish="stop")


async def test_score_is_the_models_share_of_yes(opened: Opened) -> None:
    prompts = [build_judge_prompt(QUESTION, solution(text)) for text in ANSWERS]
    verdicts = await judge(opened.model, ANSWERS)
    assert [verdict.steps[0] for verdict in verdicts] == pytest.approx(
        [opened.share_of_yes(prompt) for prompt in prompts], abs=1e-4
    )
    assert [verdict.tokens for verdict in verdicts] == [len(opened.encode(prompt)) + 1 for prompt in prompts]


async def test_rationale_precedes_the_verdict(opened: Opened) -> None:
    model = opened.model.with_rationale(TOKENS)
    prompts = [build_judge_prompt(QUESTION, solution(text), RATIONALE) for text in ANSWERS]
    rationales = [await model.complete(prompt, (), TOKENS) for prompt in prompts]
    assert len({rationale.text for rationale in rationales}) == len(ANSWERS)
    asked = [ask_for_verdict(rationale) for rationale in rationales]
    verdicts = await judge(model, ANSWERS)
    assert [verdict.steps[0] for verdict in verdicts] == pytest.approx(list(map(opened.share_of_yes, asked)), abs=1e-4)
    for verdict, rationale, prompt in zip(verdicts, rationales, asked, strict=True):
        read = rationale.prompt_tokens + rationale.completion_tokens
        assert rationale.completion_tokens <= TOKENS and verdict.tokens == read + len(opened.encode(prompt)) + 1
    assert model.with_salt("tenant").rationale_tokens == TOKENS


async def test_solution_beyond_the_context_loses_its_verdict_alone(opened: Opened) -> None:
    long, short = await judge(opened.model, ["it is " * LENGTH, ANSWERS[0]])
    assert (long.steps, long.tokens) == ((), 0) and len(short.steps) == 1
    assert opened.model.llm.output_processor.get_num_unfinished_requests() == 0
