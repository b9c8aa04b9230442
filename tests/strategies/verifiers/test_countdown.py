import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.strategies.beam_search import BeamSearch
from cogitate.strategies.best_of_n import BestOfN
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.types import Completion, Message, Prompt, Sampling
from cogitate.strategies.particle_filter import ParticleFilter
from cogitate.strategies.verifiers.countdown import UNKNOWN_SCORE, Countdown, parse_game
from tests.fakes.run import build_session, solve

GYM = (
    "Calculate {target} using all of these numbers: {numbers}.\nEach number may be used at most once.\n\nFinal answer "
)
STEP = "\n\n"


def asked(numbers, target):
    return Prompt((Message("user", GYM.format(target=target, numbers=", ".join(map(str, numbers)))),))


GAME = asked([6, 61, 94, 4], 309)  # 94 * 4 - 61 - 6


def judged(*steps, ended=False, question=GAME):
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
def test_the_wordings_of_reasoning_gym_are_read(question, numbers, target):
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
def test_of_anything_else_it_knows_nothing(question):
    assert parse_game(question) is None
    assert judged("1 + 1 = 2", question=Prompt((Message("user", question),))) == [UNKNOWN_SCORE]


@pytest.mark.parametrize(
    ("steps", "marks"),
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
        (["94 * 4 = 376", "So 94 * 4 = 376."], [1, 1]),  # said again
        (["6 - 61 = -55", "94 * 4 = 376", "-55 + 376 = 321"], [0, 0, 0]),
        (["61 - 94 * 4 = -315", "-315 + 6 = -309"], [1, 1]),  # -(61 - 94 * 4 + 6)
        (["376 = 94 * 4"], [1]),
        (["94 * 4 - 61 - 6 = 309"], [1]),
        (["94 * 4 = 377 (left: 6, 61, 377)"], [0]),
        (["94 * 4 = 376 (left: 6, 61, 376)", "376 - 61 = 315 (left: 6, 315)"], [1, 1]),
        (["94 * 5 = 470", "94 * 4 - 61 - 6 = 309"], [0, 1]),  # the whole solution after all
        (["94 * 4 = 376 = 375 + 1"], [1]),
        (["x + 4 = 10"], [1]),
        (["4 / 0 = 6"], [1]),
    ],
)
def test_positions(steps, marks):
    assert judged(*steps) == marks


@pytest.mark.parametrize(
    ("answer", "right"),
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
def test_an_answer_is_right_or_it_is_not(answer, right):
    assert judged("94 * 4 = 376", f"It is \\boxed{{{answer}}}.", ended=True) == [1, right]
    assert judged(f"It is \\boxed{{{answer}}}.") == [right]


def test_an_end_without_an_answer_is_wrong_wherever_it_stands():
    assert judged("94 * 4 = 376", "I give up.", ended=True) == [1, 0]
    assert judged("", ended=True) == [0]


@given(st.text(max_size=300) | st.text("0123456789+-*/()= \n\\boxed{}", max_size=300), st.booleans())
def test_any_text_is_scored_without_failing(text, ended):
    assert all(mark in (0.0, 1.0) for mark in judged(text, ended=ended))


async def test_the_loop_goes_on_while_it_searches():
    question = asked([53, 59, 61, 67, 71, 73], 999_983)
    solution = Completion(prompt=question, text="Hm." + STEP, finish="stop", stopped_by=STEP)
    judging, ticks = asyncio.ensure_future(Countdown().judge(question, [solution], None)), 0
    while not judging.done():
        await asyncio.sleep(0.001)
        ticks += 1
    assert ticks > 3 and judging.result()[0].steps == (0.0,)


def moved(hand, line):
    """The hand, of numbers with how they came about, after one move."""
    a, operator, b, _, value = line.split()
    rest, used = list(hand), []
    for number in (int(a), int(b)):
        used.append(next(card for card in rest if card[0] == number))
        rest.remove(used[-1])
    return [*rest, (int(value), f"({used[0][1]} {operator} {used[1][1]})")]


def move(hand, chance):
    """A random one among those that leave whole numbers above 0."""
    (a, _), (b, _) = chance.sample(hand, 2)
    results = {"+": a + b, "-": a - b, "*": a * b, "/": a // b if a % b == 0 else 0}
    operator = chance.choice([operator for operator, value in results.items() if value > 0])
    return f"{a} {operator} {b} = {results[operator]}"


def player(numbers, chance):
    """Plays at random from wherever it is told to go on, a move a step, and boxes what came of it."""

    def script(prompt, sampling):
        hand, said = [(number, str(number)) for number in numbers], []
        for line in filter(None, prompt.prefix.split(STEP)):
            hand = moved(hand, line)
        while len(hand) > 1:
            said.append(move(hand, chance))
            hand = moved(hand, said[-1])
        return STEP.join([*said, f"\\boxed{{{hand[0][1]}}}"])

    return ScriptedEngine(script)


def games(count, chance):
    """Solvable ones of five numbers: a player plays, and what came out is the target."""
    while count:
        numbers = [chance.randint(1, 25) for _ in range(5)]
        hand = [(number, str(number)) for number in numbers]
        while len(hand) > 1:
            hand = moved(hand, move(hand, chance))
        if 100 <= hand[0][0] <= 999:
            count -= 1
            yield asked(numbers, hand[0][0]), numbers


def solved(strategy, count):
    chance = random.Random(7)
    right = 0
    for question, numbers in games(count, random.Random(11)):
        session = build_session(player(numbers, chance), sampling=Sampling(max_tokens=200, seed=1))
        right += solve(strategy, session, prompt=question).outcome.score == 1
    return right / count


def test_searches_that_it_guides_find_what_sixteen_samples_do_not():
    count = 6
    sampled = solved(BestOfN(n=16, verifier="countdown"), count)
    for search in (ParticleFilter(n=16, verifier="countdown"), BeamSearch(n=16, verifier="countdown")):
        assert solved(search, count) >= sampled + 0.1
