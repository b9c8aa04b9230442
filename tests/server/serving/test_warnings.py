"""Warnings: an answer read from the reasoning, where an engine's parser left no text; verdicts that were lost."""

import math
from dataclasses import replace

import pytest

from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.types import ToolCall
from cogitate.strategies.verifiers.graded import FEW_LETTERS
from tests.fakes.backend import ScriptedBackend, ScriptedConversation
from tests.fakes.live_server import live

pytestmark = pytest.mark.live
VOTE = {"name": "self_consistency", "n": 3, "stop_rule": "none"}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}


class ThinkingBackend(ScriptedBackend):
    """An engine whose parser takes all text for reasoning, except what follows `</think>`."""

    async def converse(self, request, prompt, salt=""):
        talk = await ScriptedBackend.converse(self, request, prompt, salt)
        return ThinkingConversation(
            talk.engine, talk.prompt_tokens, talk.model, talk.raw, talk.salt, talk.max_model_len
        )


class ThinkingConversation(ScriptedConversation):
    async def generate(self, prompt, sampling, *, on_text=None, on_abort=None):
        made = await ScriptedConversation.generate(self, prompt, sampling, on_text=on_text, on_abort=on_abort)
        return replace(made, content=made.text.partition("</think>")[2])


def warnings(*replies, **fields):
    with live(ScriptedEngine(replies), backend=ThinkingBackend) as server:
        body = server.ask(strategy=VOTE, **fields).json()
    assert body["cogitate"]["candidates"] == 3
    return body["cogitate"].get("warnings")


def test_answer_that_stands_in_the_reasoning_alone_is_a_warning():
    (warning,) = warnings("so \\boxed{7}", "hm </think> \\boxed{7}", "so \\boxed{7}")
    assert "read from the reasoning" in warning


def test_answer_in_the_text_and_a_tool_call_are_none():
    assert warnings("hm </think> \\boxed{7}") is None
    assert warnings(ToolCall("add", "{}"), tools=[TOOL]) is None


@pytest.mark.parametrize(("mass", "told"), [(0.1, [FEW_LETTERS]), (0.9, None)])
def test_grades_without_letters_are_lost_with_one_warning(mass, told):
    engine = ScriptedEngine(["so \\boxed{7}"], labels=lambda prompt: {"B": math.log(mass)})
    strategy = {"name": "best_of_n", "n": 3, "verifier": "graded", "criteria": ["is right", "is short"]}
    with live(engine) as server:
        told_by_server = server.ask(strategy=strategy).json()["cogitate"]
    assert told_by_server.get("warnings") == told and told_by_server["verifier_tokens"] == 6
    assert told_by_server["score"] == (None if told else pytest.approx(18 / 19, abs=1e-6))
