"""The rows about clients, strategies, verifiers and seeds (C, S1 to S3, W, D16), and those that are shown elsewhere."""

from typing import Any

from cogitate.server.engine.reward.formats import MATH_SHEPHERD, OUTCOME, QWEN
from cogitate.strategies.best_of_n import BestOfN
from cogitate.strategies.core.judge_verdict import parse_pick
from cogitate.strategies.core.program_source import extract_program
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.bench.reports.line import Line
from tests.fakes.live_server import Live, live
from tests.fakes.run import build_session, solve

EPHEMERAL = {"type": "ephemeral"}
USER = {"role": "user", "content": "What is 6*7?"}
CLIENTS: list[tuple[str, str, dict[str, Any]]] = [
    ("C1", "cache_control on a message", {"messages": [USER | {"cache_control": EPHEMERAL}]}),
    (
        "C1",
        "cache_control on a part",
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "?", "cache_control": EPHEMERAL}]}]},
    ),
    ("C1", "copilot_cache_control on a message", {"messages": [USER | {"copilot_cache_control": EPHEMERAL}]}),
    ("C2", '"tools": []', {"tools": []}),
    ("C2", '"tools": [], "tool_choice":"auto"', {"tools": [], "tool_choice": "auto"}),
    ("C2", '"tools": [], "tool_choice":"none"', {"tools": [], "tool_choice": "none"}),
    (
        "C3",
        '"id":1,"opts":{"visible":false} in a message',
        {"messages": [USER | {"id": 1, "opts": {"visible": False}}]},
    ),
    (
        "C4",
        '{"role":"assistant","content":null} amid the messages',
        {"messages": [USER, {"role": "assistant", "content": None}, USER]},
    ),
]
WAYS: list[dict[str, Any]] = [{}, {"strategy": "self_consistency"}, {"strategy": "chain_of_thought", "stream": True}]
JUDGEMENTS = [
    "The most consistent response is Response 1, since Response 0 forgets a case.",
    "Response 0 forgets a case.\nThe most consistent response is response 1.",
    "Response 0 forgets a case.\nThe most consistent response is Response #1.",
    "Response 0 forgets a case.\nThe most consistent response is Response: 1",
    "Response 0 forgets a case.\nThe most consistent response is **Response** 1.",
    "Response 0 forgets a case.\n\\boxed{1}",
]
DEFINITION, CALL = "def solution():\n    return 42\n", "print(solution())\n"
FENCES = f"```python\n{DEFINITION}```\nNow we call it:\n```python\n{CALL}```"
ONE_LINE_STEPS = ["We add.", "We stop."]
LLAMA_TEST = "tests/server/engine/remote/test_llama_cpp_python.py"


def run_clients() -> list[Line]:
    """The rows that are asked of a server."""
    with live(ScriptedEngine(["so \\boxed{42}"])) as server:
        return [*(ask_as_client(server, *case) for case in CLIENTS), ask_with_seed()]


def ask_as_client(server: Live, row: str, shown: str, fields: dict[str, Any]) -> Line:
    answers = [server.ask(**(fields | way)) for way in WAYS]
    bad = [answer.text for answer in answers if answer.status_code != 200 or "42" not in answer.text]
    return Line(row, shown, "taken", bad[0] if bad else "taken, plain and by strategies", not bad)


def ask_with_seed() -> Line:
    with live(ScriptedEngine(["one", "two"])) as server:
        answers = [server.ask(seed=-1) for _ in range(2)]
    texts = [answer.json()["choices"][0]["message"]["content"] for answer in answers]
    now = f"two requests, answers {texts}"
    return Line("D16", '"seed": -1, twice', "not cached", now, texts == ["one", "two"])


def run_strategies() -> list[Line]:
    """The rows about judges, scores, programs and rewards."""
    verdicts = [Line("S1", text, "1", str(parse_pick(text)), parse_pick(text) == 1) for text in JUDGEMENTS]
    return [*verdicts, choose_finished(), find_program(), compare_rewards(), *split_steps()]


def choose_finished() -> Line:
    replies = ["word " * 200, "so \\boxed{42}"]
    session = build_session(ScriptedEngine(replies), score_text=lambda text: 0.6 if "42" in text else 0.9)
    outcome = solve(BestOfN(n=2, verifier="scripted"), session).outcome
    assert outcome is not None
    now = f"finish {outcome.completion.finish}, answer {outcome.answer.raw if outcome.answer else None}"
    shown = "best_of_n n=2: 42 scored 0.6, a solution that is cut off scored 0.9"
    return Line("S2", shown, "the finished one", now, now == "finish stop, answer 42")


def find_program() -> Line:
    program = extract_program(FENCES) or ""
    return Line("S3", FENCES, "the program that defines solution()", program, DEFINITION.strip() in program)


def compare_rewards() -> Line:
    low, high = OUTCOME.to_scores([[40.0]])[0], OUTCOME.to_scores([[60.0]])[0]
    return Line("W1", "OUTCOME of [[40.0]] and of [[60.0]]", "60 above 40", f"{low:.4f}, {high:.4f}", high > low)


def split_steps() -> list[Line]:
    text = "Step 1: We add.\nStep 2: We stop."
    math_shepherd = MATH_SHEPHERD.split_steps(text)
    lines = [Line("W2", f"MATH_SHEPHERD: {text}", "2 steps", str(math_shepherd), math_shepherd == ONE_LINE_STEPS)]
    for blank in ("\n \n", "\r\n\r\n"):
        steps = QWEN.split_steps(f"We add.{blank}We stop.")
        lines.append(Line("W2", f"QWEN: steps between {blank!r}", "2 steps", str(steps), steps == ONE_LINE_STEPS))
    shown = str(QWEN.split_steps(text))
    return [*lines, Line("W2", f"QWEN: {text}", "as the model was trained", shown, None)]


def point_elsewhere() -> list[Line]:
    now = f"shown by the real server in {LLAMA_TEST}"
    return [Line("D14", "self_consistency n=4 over llama-cpp-python", "four candidates, or a warning", now, None)]
