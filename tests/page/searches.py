"""Searches of every strategy over one scripted engine, for the page to draw, and their traces."""

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import httpx

from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.types import Sampling
from tests.fakes.live_server import Live
from tests.page.visitor import KEY

HEADERS = {"Authorization": f"Bearer {KEY}"}

SLOWLY = "slowly"
"""A question with this word is answered at PACE."""
HOSTILE = '<script>document.title = "broken"</script><img src=x onerror="document.title=1"> so it is \\boxed{42}'
HOSTILELY = "hostilely"
"""A question with this word is answered with HOSTILE."""
PACE = 0.02
"""Seconds a word."""
JUDGED: dict[str, Any] = {"verifier": "judge"}
STEPS = {"n": 4, "max_steps": 4, **JUDGED}
SEARCHES: dict[str, dict[str, Any]] = {
    "chain_of_thought": {},
    "self_consistency": {"n": 12},
    "best_of_n": {"n": 6, **JUDGED},
    "beam_search": {**STEPS, "width": 2},
    "dvts": {**STEPS, "width": 2},
    "particle_filter": STEPS,
    "budget_forcing": {},
    "self_refine": {"rounds": 2, **JUDGED},
    "synthesis": {"n": 4, "k": 2, "loops": 2},
    "selection": {"n": 4},
    "program_aided": {"n": 4},
    "auto": {"n": 8},
}
"""Options of each strategy."""
ANSWERS = (42, 41, 42, 42, 41, 42, 40, 42)
PROGRAM = "```python\ndef solution():\n    return 13 + 29\n```"


def build_engine() -> ScriptedEngine:
    """Build an engine that answers every strategy's prompts, mostly with 42."""

    def reply(prompt: Prompt, sampling: Sampling) -> str:
        call = len(engine.calls)
        question = read_question(prompt)
        if HOSTILELY in question:
            return HOSTILE
        if "program" in question.lower():
            return PROGRAM
        if sampling.stop and len(prompt.segments) < 2 + call % 2:
            return f"Step {len(prompt.segments) + 1}: {'add the tens and the units, ' * (1 + call % 3)}then go on.\n\n"
        words = "Let me add the tens first, and then the units. " * (1 + call % 4)
        return f"{words}So the answer is \\boxed{{{ANSWERS[call % len(ANSWERS)]}}}"

    def choose_pace(call: int) -> float:
        return PACE if SLOWLY in read_question(engine.calls[call][0]) else 0.0

    engine = ScriptedEngine(reply, pace=choose_pace, labels=judge)
    return engine


def read_question(prompt: Prompt) -> str:
    return " ".join(message.text for message in prompt.messages)


def judge(prompt: Prompt) -> Mapping[str, float]:
    """Return a verdict that only the text decides."""
    text = read_question(prompt) + "".join(segment.text for segment in prompt.segments)
    yes = 0.05 + 0.9 * hashlib.sha256(text.encode()).digest()[0] / 255
    return {"Yes": math.log(yes), "No": math.log(1 - yes)}


def search(
    server: Live, name: str, question: str = "What is 13 + 29?", request_id: str = "", **options: object
) -> httpx.Response:
    """Run a search with its id, by default the strategy's name; returns its response."""
    headers = {**HEADERS, "X-Request-Id": request_id or name}
    messages = [{"role": "user", "content": question}]
    return server.ask(60, headers, messages=messages, strategy={"name": name, **options}, seed=1, cache="no-store")


def fetch_trace(server: Live, request_id: str) -> dict[str, Any]:
    return httpx.get(f"{server.url}/v1/traces/{request_id}", headers=HEADERS).json()


def count_decodes(trace: dict[str, Any]) -> int:
    return sum(event["kind"] == "decode" for event in trace["events"])
