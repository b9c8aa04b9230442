"""Writes deploy/results/{ask,watch,replay}.png, the page over a scripted engine:

python -m tests.page.screenshots
"""

import io
import math
import random
import threading
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser

from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.types import Sampling
from tests.fakes.live_server import Live, live
from tests.page.tools import open_browser
from tests.page.visitor import WIDE, Visitor, visit

FOLDER = Path(__file__).parents[2] / "deploy/results"
QUESTION = (
    "A farmer sells 13 crates of apples in the morning and 29 in the afternoon. Each crate has 24 apples, and he keeps "
    "every 7th crate. How many crates does he sell for money?"
)
STEPS = (
    "In the morning he has 13 crates, and in the afternoon 29.",
    "Together these are 13 + 29 = 42 crates.",
    "Every 7th crate is kept: 42 / 7 = 6 crates.",
    "So he sells the others, which are 42 - 6 = 36 crates.",
    "The number of apples in a crate does not matter for this.",
    "Let me check: 36 + 6 = 42, which is what he had.",
)
OPENINGS = ("Well.", "Now.", "Let me see.", "Next.", "Good.", "One step at a time.", "Note this.", "So far so good.")
ANSWERS = (36, 36, 42, 36, 35, 36, 36, 6, 36, 36)


def build_engine() -> ScriptedEngine:
    """Build an engine whose candidates differ in length, pace and answer, the same ones each time."""

    def reply(prompt: Prompt, sampling: Sampling) -> str:
        chance = random.Random(len(engine.calls))
        if sampling.stop and len(prompt.segments) < 3 + chance.randrange(2):
            first = (2 * len(prompt.segments)) % len(STEPS)
            steps = STEPS[first : first + 1 + chance.randrange(3)]
            return f"{chance.choice(OPENINGS)} {' '.join(steps)} {chance.choice(OPENINGS)}\n\n"
        steps = STEPS[chance.randrange(2) : 3 + chance.randrange(4)]
        return "\n".join(steps) + f"\nThe answer is \\boxed{{{ANSWERS[len(engine.calls) % len(ANSWERS)]}}}."

    def judge(prompt: Prompt) -> dict[str, float]:
        text = " ".join(message.text for message in prompt.messages)
        yes = 0.03 + 0.94 * random.Random(text).random()
        return {"Yes": math.log(yes), "No": math.log(1 - yes)}

    def choose_pace(call: int) -> float:
        return 0.012 + 0.02 * random.Random(call).random()

    engine = ScriptedEngine(reply, pace=choose_pace, labels=judge)
    return engine


def ask(server: Live, request_id: str, **strategy: object) -> None:
    messages = [{"role": "user", "content": QUESTION}]
    server.ask(60, {"X-Request-Id": request_id}, messages=messages, strategy=strategy, seed=7, cache="no-store")


def save(tab: Visitor, name: str, height: int) -> None:
    """Take a picture of the page's upper part, in few colours: about a third of the bytes."""
    tab.page.set_viewport_size({"width": WIDE, "height": height})
    tab.page.wait_for_timeout(100)
    picture = Image.open(io.BytesIO(tab.page.screenshot()))
    picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(FOLDER / name, optimize=True)


def take_ask(browser: Browser, server: Live) -> None:
    with visit(browser, server.url, key=False) as tab:
        tab.open()
        tab.page.get_by_label("Question").fill(QUESTION)
        tab.page.get_by_label("n", exact=True).fill("16")
        tab.page.get_by_role("button", name="Ask", exact=True).click()
        tab.page.get_by_role("button", name="Save HTML").nth(1).wait_for()
        save(tab, "ask.png", height=1280)


def take_watch(browser: Browser, server: Live) -> None:
    options = {"name": "beam_search", "n": 16, "width": 4, "verifier": "judge", "max_steps": 6}
    client = threading.Thread(target=ask, args=(server, "search-2"), kwargs=options)
    with visit(browser, server.url, key=False) as tab:
        client.start()
        tab.open("#/watch/search-2")
        tab.wait_for_nodes(40)
        tab.page.locator(".node.running").first.wait_for()
        save(tab, "watch.png", height=960)
        client.join()


def take_replay(browser: Browser, server: Live) -> None:
    ask(server, "search-3", name="self_consistency", n=32)
    with visit(browser, server.url, key=False, color_scheme="dark") as tab:
        tab.open("#/replay/search-3")
        tab.wait_for_nodes(8)
        save(tab, "replay.png", height=1180)


def main() -> None:
    with live(build_engine(), max_generations=24) as server, open_browser() as browser:
        take_ask(browser, server)
        take_watch(browser, server)
        take_replay(browser, server)


if __name__ == "__main__":
    main()
