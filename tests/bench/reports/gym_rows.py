"""The rows about reasoning-gym's scorers (D10, D11, D15), with the real package where it is installed."""

from importlib.util import find_spec

from cogitate.server.evaluation.gym import load_gym
from cogitate.server.evaluation.question import BadTask, Question
from cogitate.strategies.answers import extract
from tests.bench.reports.line import Line

SIZE = 10
TEXT_TASKS = (
    "course_schedule",
    "isomorphic_strings",
    "ransom_note",
    "syllogism",
    "mahjong_puzzle",
    "string_insertion",
)
LATEX_TASKS = ("prime_factorization", "countdown", "dice")
REFUSED_TASKS = ("game_of_life_halting", "gsm_symbolic")
UNIT_TEST = "tests/server/evaluation/test_gym.py"


def run_gym() -> list[Line]:
    if find_spec("reasoning_gym") is None:
        now = f"reasoning-gym is not installed here: {UNIT_TEST}"
        return [Line(row, "the task's own scorer", "right", now, None) for row in ("D10", "D11", "D15")]
    lines = [grade_task("D10", task) for task in TEXT_TASKS]
    lines += [grade_task("D11", task) for task in LATEX_TASKS]
    return lines + [refuse_task(task) for task in REFUSED_TASKS]


def grade_task(row: str, task: str) -> Line:
    questions = load_gym(task, SIZE, 1)
    boxed = [to_latex(row, question) for question in questions]
    right = sum(
        question.is_right(extract(text, "auto", question.text)) for text, question in zip(boxed, questions, strict=True)
    )
    return Line(row, f"{task}: {boxed[0]}", "right", f"{right} of {SIZE} right", right == SIZE)


def to_latex(row: str, question: Question) -> str:
    """The reference answer as models write it in a box."""
    gold = question.gold
    if row == "D10":
        return rf"\boxed{{\text{{{gold}}}}}"
    numerator, slash, denominator = gold.partition("/")
    if slash and numerator.isdigit() and denominator.isdigit():
        return rf"\boxed{{\frac{{{numerator}}}{{{denominator}}}}}"
    product = gold.replace("×", r"\times").replace("*", r" \times ")
    return rf"\boxed{{{product}}}"


def refuse_task(task: str) -> Line:
    try:
        load_gym(task, SIZE, 1)
    except BadTask as error:
        return Line("D15", task, "refused", str(error), True)
    return Line("D15", task, "refused", "taken", False)
