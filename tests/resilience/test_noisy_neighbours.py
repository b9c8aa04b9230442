"""T31: a tenant who asks for everything there is holds nobody else up."""

import hashlib
import threading
import time

import httpx
import pytest

from tests.resilience.server_process import CHAT, HELLO, Server, eventually, percentile
from tests.resilience.test_overload import PACE, WORDS, vote

KEYS = {name: f"cog-{name}" for name in ("quiet", "loud")}
FILE = "".join(f"{hashlib.sha256(key.encode()).hexdigest()} {name}\n" for name, key in KEYS.items())


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEYS[name]}"}


def noisy(bar, seconds: float) -> None:
    with Server(flags=("--max-generations", "32"), keys=FILE) as server:
        server.turn(pace=PACE, texts=["\\boxed{1} " + "and " * (WORDS - 1)])
        solo = chats(server, min(seconds, 4))
        stop = threading.Event()

        def flood() -> None:
            with httpx.Client(timeout=120, verify=False, headers=bearer("loud")) as client:
                while not stop.is_set():
                    client.post(server.url + CHAT, json=vote(256))

        threads = [threading.Thread(target=flood) for _ in range(3)]
        for thread in threads:
            thread.start()
        eventually(lambda: server.busy == 32)
        beside = chats(server, seconds)
        stop.set()
        for thread in threads:
            thread.join()
        server.healthy()
    slot = PACE * (WORDS + 2) * 1000
    bound = 2 * percentile(solo, 99) + slot
    figure = (
        f"{percentile(beside, 99):.0f} ms beside {percentile(solo, 99):.0f} ms alone, {len(beside)} of {len(beside)}"
    )
    what = "a tenant's chats, p99, while another keeps 768 generations waiting for 32 slots"
    bar("T31", what, figure, f"2x alone and one slot's time: {bound:.0f} ms", percentile(beside, 99) <= bound)


def chats(server: Server, seconds: float) -> list[float]:
    """Milliseconds of one small chat after another."""
    times, stop = [], time.monotonic() + seconds
    with httpx.Client(timeout=60, verify=False, headers=bearer("quiet")) as client:
        while time.monotonic() < stop:
            answer = client.post(server.url + CHAT, json=HELLO)
            assert answer.status_code == 200
            times.append(answer.elapsed.total_seconds() * 1000)
            time.sleep(0.05)
    return times


@pytest.mark.faults
def test_t31_a_noisy_neighbour_holds_nobody_up(bar):
    noisy(bar, 4)


@pytest.mark.faults
def test_t31_a_noisy_neighbour_holds_nobody_up_for_long(bar):
    noisy(bar, 20)
