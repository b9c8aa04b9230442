"""Server processes that share a Redis write each finished answer once and complete, while clients disconnect and a
process is killed."""

import random
import signal
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.fakes.redis_server import RedisServer
from tests.resilience.measure import settle
from tests.resilience.redis_servers import VOTE, answer_keys, cache_counter, count_writes, question, run_servers
from tests.resilience.server_process import CHAT, HELLO, Server, body, raw

pytestmark = pytest.mark.fault("T19")

QUESTIONS = 6


class History:
    """Checks responses of an echoing engine: a truncated answer or the answer to another question is detected."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.wrong: list[str] = []
        self.checked = 0

    def check(self, question_text: str, answer: httpx.Response) -> None:
        if answer.status_code != 200:
            self.wrong.append(f"{answer.status_code} {answer.text[:80]}")
            return
        text = answer.json()["choices"][0]["message"]["content"]
        with self.lock:
            self.checked += 1
            if question_text not in text:
                self.wrong.append(f"{question_text} was answered {text[:40]}")
            elif "\\boxed{42}" not in text:
                self.wrong.append(f"truncated: {text[:40]}")


def run_client(servers: list[Server], history: History, seed: int, until: float) -> None:
    """Send requests until `until`, of which it leaves one in five."""
    chance = random.Random(seed)
    with httpx.Client(timeout=20) as http:
        while time.monotonic() < until:
            server, text = chance.choice(servers), f"<{chance.randrange(QUESTIONS)}> \\boxed{{42}}"
            if chance.random() < 0.2:
                leave(server, text, chance.uniform(0, 0.05))
                continue
            payload = HELLO | question(text) | {"strategy": VOTE | {"instruction": ""}}
            try:
                history.check(text, http.post(server.url + CHAT, json=payload))
            except httpx.TransportError:
                if server is not servers[2]:  # which is killed
                    history.wrong.append("a connection broke")


def leave(server: Server, text: str, after: float) -> None:
    """Send a request and disconnect after `after` seconds."""
    try:
        with server.connect() as connection:
            connection.sendall(raw(body(**question(text), strategy=VOTE | {"instruction": ""})))
            time.sleep(after)
    except OSError:
        return


def count_stored(servers: list[Server]) -> int:
    return sum(cache_counter(server, "stored") for server in servers)


def check_history(bar, tmp_path: Path, seconds: float) -> None:
    with run_servers(3) as (redis, servers), count_writes(redis, tmp_path) as writes:
        for server in servers:
            server.set_knobs(echo=True, pace=0.005)
        history, until = History(), time.monotonic() + seconds
        clients = [threading.Thread(target=run_client, args=(servers, history, seed, until)) for seed in range(6)]
        for thread in clients:
            thread.start()
        endless, of_victim = inject_faults(redis, until, servers[2], seconds)
        for thread in clients:
            thread.join()
        for server in servers[:2]:
            server.assert_healthy()
        completed, written = settle(lambda: (count_stored(servers[:2]), writes()))
    what = f"{seconds:.0f} s of asking, leaving, flushing, expiring and a kill -9 at 3 processes: wrong answers"
    bar(what, f"{history.wrong[:3] or 0} of {history.checked}", "0", not history.wrong and history.checked > 20)
    bar("... keys without a time to live", str(endless), "0", endless == 0)
    # The killed process may finish a few between the last read of its counter and its end.
    figure = f"{written} beside {completed} and {of_victim} of the killed one"
    met = completed + of_victim - 1 <= written <= completed + of_victim + 5
    bar("... SETs that MONITOR saw beside misses completed", figure, "equal, but for the killed one's last", met)


def inject_faults(redis: RedisServer, until: float, victim: Server, seconds: float) -> tuple[int, int]:
    """Flushes and expires keys until `until`, and kills `victim` after half of `seconds`.

    Returns the number of keys seen without a time to live, and the answers that the victim had stored.
    """
    chance, killing, endless = random.Random(19), until - seconds / 2, 0
    of_victim = 0
    while time.monotonic() < until:
        time.sleep(0.1)
        names = answer_keys(redis)
        endless += sum(redis.do("TTL", name) == -1 for name in redis.do("KEYS", "*"))
        if names and chance.random() < 0.5:
            redis.do("PEXPIRE", chance.choice(names), 1)
        elif chance.random() < 0.2:
            redis.do("FLUSHALL")
        if victim.exit_status is None and time.monotonic() > killing:
            of_victim = cache_counter(victim, "stored")
            victim.send_signal(signal.SIGKILL)
    return endless, of_victim


@pytest.mark.faults
def test_answers_stay_correct_during_a_minute_of_flushes_disconnects_and_a_kill(bar, tmp_path):
    check_history(bar, tmp_path, 60)


def test_every_completed_miss_is_written_once_with_a_time_to_live(bar, tmp_path):
    with run_servers(2) as (redis, servers), count_writes(redis, tmp_path) as writes:
        for at in range(10):
            leave(servers[at % 2], f"left {at}", 0.0)
            assert servers[at % 2].ask(**question(f"asked {at}"), strategy=VOTE).status_code == 200
        for server in servers:
            server.assert_healthy()
        completed, written = settle(lambda: (count_stored(servers), writes()))
        endless = sum(redis.do("TTL", name) < 1 for name in answer_keys(redis))
    met = written == completed >= 10 and not endless
    figure = f"{written} and {completed}; {endless} without a time to live"
    bar("SETs that MONITOR saw, and misses completed", figure, "equal; 0", met)
