import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.strategies.beam_search import BeamSearch
from cogitate.strategies.best_of_n import BestOfN
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.types import Completion, Sampling
from cogitate.strategies.particle_filter import ParticleFilter
from cogitate.strategies.verifiers.countdown import UNKNOWN_SCORE, Countdown, parse_game
from tests.fakes.run import build_session, solve

GYM = (
    "Calculate {target} using all of these numbers: {numbers}.\nEach number may be used at most once.\n\nFinal answer "
)
STEP = "\n\n"


def build_question(numbers, target):
    return Prompt((Message("user", GYM.format(target=target, numbers=", ".join(map(str, numbers)))),))


GAME = build_question([6, 61, 94, 4], 309)  # 94 * 4 - 61 - 6


def judge_steps(*steps, ended=False, question=GAME):
    text = STEP.join(steps) + ("" if ended else STEP)
    solution = Completion(prompt=question, text=text, finish="stop", stopped_by=None if ended else STEP)
    (verdict,) = asyncio.run(Countdown().judge(question, [solution], None))
    return list(verdict.steps)


@pytest.mark.parametrize(
    ("question", "numbers", "target"),
    [
        ("Using all the numbers 39, 14, 93, 51, create an expression that equals 169.\nYou can", [39, 14, 93, 51], 169),
        ("Find a way to make 119 using all of these numbers: 67, 50, 20, 82.\nEach number", [67, 50, 20, 82], 119),
        (GAME.question, [6, 61, 94, 4], 309),
    ],
)
def test_reasoning_gym_questions_are_parsed(question, numbers, target):
    game = parse_game(question)
    assert game and list(game.numbers) == numbers and game.target == target


@pytest.mark.parametrize(
    "question",
    [
        "What is 6*7?",
        "",
        "Calculate 5 using all of these numbers: 1, 2, 3, 4, 5, 6, 7.",
        "numbers: 1, 2",
        "make 5 of 5",
    ],
)
def test_other_questions_score_one_half(question):
    assert parse_game(question) is None
    assert judge_steps("1 + 1 = 2", question=Prompt((Message("user", question),))) == [UNKNOWN_SCORE]


@pytest.mark.parametrize(
    ("steps", "scores"),
    [
        (["Let us see."], [1]),
        (["94 * 4 = 376"], [1]),
        (["94 * 4 = 376", "376 - 61 = 315", "315 - 6 = 309"], [1, 1, 1]),
        (["94 + 4 = 98"], [0]),  # 98, 6 and 61 make no 309
        (["94 + 61 = 155", "155 * 4 = 620"], [0, 0]),
        (["61 + 6 = 67", "94 * 4 = 376, and 376 - 67 = 309"], [1, 1]),
        (["94 * 4 = 377"], [0]),  # wrong
        (["94 * 5 = 470"], [0]),  # no 5 there
        (["4 * 4 = 16"], [0]),  # one 4 only
        (["94 * 4 = 376", "94 - 61 = 33"], [1, 0]),  # 94 is gone
        (["94 * 5 = 470", "94 * 4 = 376"], [0, 0]),  # lost is lost
        (["94 * 4 = 376", "94 * 4 - 61 = 376 - 61 = 315", "94 * 4 - 61 - 6 = 309"], [1, 1, 1]),  # it grows
        (["94 * 4 = 376", "4 * 94 + 61 = 437"], [1, 0]),  # 437 and 6 make no 309
        (["61 + 6 = 67", "94 * 4 = 376", "94 * 4 - (61 + 6) = 309"], [1, 1, 1]),
        (["94 * 4 = 376", "94 * 4 - 94 = 282"], [1, 0]),  # one 94 only
        (["94 * 4 = 376", "So 94 * 4 = 376."], [1, 1]),  # lines again
        (["6 - 61 = -55", "94 * 4 = 376", "-55 + 376 = 321"], [0, 0, 0]),
        (["61 - 94 * 4 = -315", "-315 + 6 = -309"], [1, 1]),  # -(61 - 94 * 4 + 6)
        (["376 = 94 * 4"], [1]),
        (["94 * 4 - 61 - 6 = 309"], [1]),
        (["94 * 4 = 377 (left: 6, 61, 377)"], [0]),
        (["94 * 4 = 376 (left: 6, 61, 376)", "376 - 61 = 315 (left: 6, 315)"], [1, 1]),
        (["94 * 5 = 470", "94 * 4 - 61 - 6 = 309"], [0, 1]),  # the complete solution at the end
        (["94 * 4 = 376 = 375 + 1"], [1]),
        (["x + 4 = 10"], [1]),
        (["4 / 0 = 6"], [1]),
    ],
)
def test_steps_are_scored_by_whether_the_target_is_reachable(steps, scores):
    assert judge_steps(*steps) == scores


@pytest.mark.parametrize(
    ("answer", "correct"),
    [
        ("94*4 - 61 - 6", 1),
        ("(94 * 4) - (61 + 6)", 1),
        ("-6 - 61 + 4*94", 1),
        ("94*4 - 61", 0),
        ("94*4 - 61 - 6 + 0", 0),
        ("94*4 - 61 - 6 = 309", 0),
        ("309", 0),
        ("94 \\times 4 - 61 - 6", 0),
        ("94*4 - 61 - 7", 0),
        ("94*4 - 61 - 6 apples", 0),
        ("94/0", 0),
        ("(" * 500, 0),
    ],
)
def test_final_answer_scores_1_or_0(answer, correct):
    assert judge_steps("94 * 4 = 376", f"It is \\boxed{{{answer}}}.", ended=True) == [1, correct]
    assert judge_steps(f"It is \\boxed{{{answer}}}.") == [correct]


def test_ended_solution_without_answer_scores_0():
    assert judge_steps("94 * 4 = 376", "I give up.", ended=True) == [1, 0]
    assert judge_steps("", ended=True) == [0]


@given(st.text(max_size=300) | st.text("0123456789+-*/()= \n\\boxed{}", max_size=300), st.booleans())
def test_countdown_never_raises_for_any_text(text, ended):
    assert all(mark in (0.0, 1.0) for mark in judge_steps(text, ended=ended))


async def test_event_loop_is_not_blocked_while_solving():
    question = build_question([53, 59, 61, 67, 71, 73], 999_983)
    solution = Completion(prompt=question, text="Hm." + STEP, finish="stop", stopped_by=STEP)
    judging, ticks = asyncio.ensure_future(Countdown().judge(question, [solution], None)), 0
    while not judging.done():
        await asyncio.sleep(0.001)
        ticks += 1
    assert ticks > 3 and judging.result()[0].steps == (0.0,)


def apply_move(hand, line):
    """The hand after one move: numbers with the expressions that made them."""
    a, operator, b, _, value = line.split()
    rest, used = list(hand), []
    for number in (int(a), int(b)):
        used.append(next(card for card in rest if card[0] == number))
        rest.remove(used[-1])
    return [*rest, (int(value), f"({used[0][1]} {operator} {used[1][1]})")]


def random_move(hand, chance):
    """A random move that leaves a positive integer."""
    (a, _), (b, _) = chance.sample(hand, 2)
    results = {"+": a + b, "-": a - b, "*": a * b, "/": a // b if a % b == 0 else 0}
    operator = chance.choice([operator for operator, value in results.items() if value > 0])
    return f"{a} {operator} {b} = {results[operator]}"


def build_player(numbers, chance):
    """Plays random moves from the given prefix, one per step, and boxes the expression."""

    def script(prompt, sampling):
        hand, lines = [(number, str(number)) for number in numbers], []
        for line in filter(None, prompt.prefix.split(STEP)):
            hand = apply_move(hand, line)
        while len(hand) > 1:
            lines.append(random_move(hand, chance))
            hand = apply_move(hand, lines[-1])
        return STEP.join([*lines, f"\\boxed{{{hand[0][1]}}}"])

    return ScriptedEngine(script)


def sample_games(count, chance):
    """Solvable games of five numbers: the result of random play is the target."""
    while count:
        numbers = [chance.randint(1, 25) for _ in range(5)]
        hand = [(number, str(number)) for number in numbers]
        while len(hand) > 1:
            hand = apply_move(hand, random_move(hand, chance))
        if 100 <= hand[0][0] <= 999:
            count -= 1
            yield build_question(numbers, hand[0][0]), numbers


def count_solved(strategy, count):
    chance = random.Random(7)
    correct = 0
    for question, numbers in sample_games(count, random.Random(11)):
        session = build_session(build_player(numbers, chance), sampling=Sampling(max_tokens=200, seed=1))
        correct += solve(strategy, session, prompt=question).outcome.score == 1
    return correct / count


def test_guided_searches_solve_more_games_than_sixteen_samples():
    count = 6
    sampled = count_solved(BestOfN(n=16, verifier="countdown"), count)
    for search in (ParticleFilter(n=16, verifier="countdown"), BeamSearch(n=16, verifier="countdown")):
        assert count_solved(search, count) >= sampled + 0.1
