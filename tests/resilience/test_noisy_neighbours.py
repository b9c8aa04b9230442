"""A tenant that floods the queue does not delay the requests of another tenant."""

import hashlib
import threading
import time

import httpx
import pytest

from tests.resilience.measure import percentile, wait_until
from tests.resilience.server_process import CHAT, HELLO, Server
from tests.resilience.test_overload import SECONDS_PER_TOKEN, TOKENS, vote

pytestmark = pytest.mark.fault("T31")

KEYS = {name: f"cog-{name}" for name in ("quiet", "loud")}
KEYS_FILE = "".join(f"{hashlib.sha256(key.encode()).hexdigest()} {name}\n" for name, key in KEYS.items())


def auth_header(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEYS[name]}"}


def check_neighbours(bar, seconds: float) -> None:
    with Server(flags=("--max-generations", "32"), keys=KEYS_FILE) as server:
        server.set_knobs(pace=SECONDS_PER_TOKEN, texts=["\\boxed{1} " + "and " * (TOKENS - 1)])
        solo = measure_chats(server, min(seconds, 4))
        stop = threading.Event()

        def flood() -> None:
            with httpx.Client(timeout=120, verify=False, headers=auth_header("loud")) as client:
                while not stop.is_set():
                    client.post(server.url + CHAT, json=vote(256))

        threads = [threading.Thread(target=flood) for _ in range(3)]
        for thread in threads:
            thread.start()
        wait_until(lambda: server.in_flight == 32)
        during = measure_chats(server, seconds)
        stop.set()
        for thread in threads:
            thread.join()
        server.assert_healthy()
    slot = SECONDS_PER_TOKEN * (TOKENS + 2) * 1000
    bound = 2 * percentile(solo, 99) + slot
    figure = (
        f"{percentile(during, 99):.0f} ms beside {percentile(solo, 99):.0f} ms alone, {len(during)} of {len(during)}"
    )
    what = "a tenant's chats, p99, while another keeps 768 generations waiting for 32 slots"
    bar(what, figure, f"2x alone and one slot's time: {bound:.0f} ms", percentile(during, 99) <= bound)


def measure_chats(server: Server, seconds: float) -> list[float]:
    """Send one small chat after another; returns their milliseconds."""
    times, stop = [], time.monotonic() + seconds
    with httpx.Client(timeout=60, verify=False, headers=auth_header("quiet")) as client:
        while time.monotonic() < stop:
            answer = client.post(server.url + CHAT, json=HELLO)
            assert answer.status_code == 200
            times.append(answer.elapsed.total_seconds() * 1000)
            time.sleep(0.05)
    return times


@pytest.mark.faults
def test_flooding_tenant_does_not_delay_another_tenant(bar):
    check_neighbours(bar, 4)


@pytest.mark.faults
def test_flooding_tenant_does_not_delay_another_tenant_for_20_seconds(bar):
    check_neighbours(bar, 20)
