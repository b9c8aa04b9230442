"""Guesses and floods of clients create no metric labels, reveal no key, and do not exceed limits."""

import hashlib
import math
import random
import statistics
import threading
import time

import httpx
import pytest

from cogitate.server.auth.keys import Keys
from tests.resilience.background import Probe
from tests.resilience.server_process import CHAT, Server, body, raw
from tests.resilience.test_authentication import KEY, KEYS_FILE, send_raw


def count_series(server: Server) -> tuple[int, int]:
    """Return the number of series of /metrics and the characters of its response."""
    text = server.get("/metrics").text
    return len([line for line in text.splitlines() if line and line[0] != "#"]), len(text)


def check_labels(bar, count: int) -> None:
    chance = random.Random(28)

    def ask(client: httpx.Client, at: int) -> None:
        name = "".join(chance.choices("abcdefghij/%._-", k=12))
        client.request(chance.choice(["GET", "POST", "PUT", "BREW"]), f"/v1/{name.replace('%', '%25')}{at}")
        client.post(CHAT, json={"model": name, "messages": [], "strategy": name}, headers={"X-Request-Id": f"id{at}"})

    with Server() as server, httpx.Client(base_url=server.url, verify=False) as client:
        for at in range(100):
            ask(client, at)
        server.ask(strategy="self_consistency")
        count_series(server)  # the first request for /metrics adds series
        before, _ = count_series(server)
        for at in range(count):
            ask(client, at)
        after, size = count_series(server)
        server.assert_healthy()
    figure = f"{after - before:+d} of {before} series, {size / 1024:.0f} KiB"
    bar(
        f"{count} random paths, models, strategies, methods",
        figure,
        "+0, 256 KiB",
        after == before and size < 2**18,
    )


@pytest.mark.fault("T28")
def test_names_chosen_by_clients_do_not_become_metric_labels(bar):
    check_labels(bar, 300)


@pytest.mark.fault("T28")
@pytest.mark.faults
def test_ten_thousand_names_chosen_by_clients_do_not_become_metric_labels(bar):
    check_labels(bar, 10_000)


def welch_t(a: list[float], b: list[float]) -> float:
    """Return Welch's t statistic."""
    deviation = math.sqrt(statistics.variance(a) / len(a) + statistics.variance(b) / len(b))
    return (statistics.fmean(a) - statistics.fmean(b)) / deviation


@pytest.mark.fault("T35")
def test_duration_of_key_check_reveals_no_prefix_of_a_key(bar, tmp_path):
    keys = [f"cog-{at:040d}" for at in range(50)]
    file = tmp_path / "keys"
    file.write_text("".join(f"{hashlib.sha256(key.encode()).hexdigest()} t{at}\n" for at, key in enumerate(keys)))
    key_file = Keys(file)
    guesses = {"first": "x" + keys[0][1:], "last": keys[0][:-1] + "x"}
    times: dict[str, list[float]] = {"first": [], "last": []}
    chance = random.Random(35)
    for _ in range(20_000):
        kind = chance.choice(["first", "last"])
        began = time.perf_counter()
        assert key_file.find_holder(guesses[kind]) is None
        times[kind].append(time.perf_counter() - began)
    cut = statistics.quantiles(times["first"] + times["last"], n=20)[-1]
    fast = {kind: [seconds for seconds in samples if seconds < cut] for kind, samples in times.items()}
    t = welch_t(fast["first"], fast["last"])
    what = "20,000 tries, wrong first byte beside wrong last (slowest 5 % left out)"
    bar(what, f"|t| {abs(t):.2f}", "4.5", abs(t) < 4.5)


@pytest.mark.fault("T35")
def test_wrong_keys_are_rate_limited_and_the_right_key_is_not(bar):
    odd = ["Bearer \xff\xfe", "Bearer " + "x" * 60_000, "Bearer a\r\nAuthorization: Bearer b", "", "Bearer", "Basic x"]
    with Server(keys=KEYS_FILE) as server, httpx.Client(base_url=server.url, verify=False) as client:
        strange = [send_raw(server, raw(body(), CHAT, f"Authorization: {value}")) for value in odd]
        statuses, before = [], server.process.cpu_times()
        with Probe(server):
            for at in range(1000):
                wrong = {"Authorization": f"Bearer {at}"}
                statuses.append(client.post(CHAT, content=body(), headers=wrong).status_code)
        after = server.process.cpu_times()
        right = server.ask(headers={"Authorization": f"Bearer {KEY}"}).status_code
        server.assert_healthy()
    cost = (after.user + after.system - before.user - before.system) / len(statuses) * 1000
    guessed = statuses.count(401)
    waited = statuses.count(429)
    figure = f"{guessed} x 401, {waited} x 429; {cost:.1f} ms of processor each; the right key {right}"
    met = guessed <= 25 and guessed + waited == 1000 and cost <= 5 and right == 200
    bar("1,000 wrong keys from one address", figure, "20 a minute, 5 ms; 200", met)
    rejected = set(strange) <= {400, 401, 429, 431}
    bar("keys that are no text, 60 kB, doubled, missing", f"{strange}", "401", rejected)


@pytest.mark.fault("T32")
def test_request_rate_limit_is_exact_in_each_of_two_processes(bar):
    """Limits are counted in each process, so no store can fail them; several processes allow each as much."""
    file = KEYS_FILE.replace("acme", "acme requests_per_minute=30")
    admitted, lock = [], threading.Lock()

    def flood(server: Server) -> None:
        with httpx.Client(base_url=server.url, verify=False, headers={"Authorization": f"Bearer {KEY}"}) as client:
            for _ in range(40):
                answer = client.post(CHAT, json={"model": "scripted", "messages": [{"role": "user", "content": "x"}]})
                with lock:
                    admitted.append(answer.status_code == 200)

    with Server(keys=file) as one, Server(keys=file) as two:
        threads = [threading.Thread(target=flood, args=(server,)) for server in (one, two) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        one.assert_healthy()
    over = sum(admitted) - 30
    what = "a key with 30 requests a minute, 320 tries at 2 servers: over what one would admit"
    bar(what, f"{over}", "1 x workers x burst: 30", 28 <= over <= 32)
