"""Worker processes are started, replaced and stopped together: nothing is lost that need not be, and none is left."""

import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import psutil
import pytest

from tests.fakes.redis_server import PROGRAM
from tests.resilience.concurrent_clients import post_simultaneously
from tests.resilience.measure import read_metric, wait_until
from tests.resilience.server_process import CHAT, Server
from tests.resilience.test_key_limits import auth_header, build_keys_file, new_question
from tests.resilience.worker_servers import MODEL, run_workers

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="NO REDIS WAS TESTED: there is no redis-server on the PATH")

VOTE = {"name": "self_consistency", "n": 4, "stop_rule": "certain"}
LONG_TEXT = "so it is \\boxed{42} " + "and on " * 300
COUNTED = 'cogitate_requests_total{endpoint="/v1/chat/completions",status="2xx",strategy="none"}'


@dataclass(slots=True)
class Load:
    """Requests on connections of their own, one after another by each of `clients` threads."""

    url: str
    fields: dict[str, object]
    statuses: Counter[int] = field(default_factory=Counter)
    """By status; 0: the connection broke."""
    stopped: Counter[str] = field(default_factory=Counter)
    _end: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def run(self, clients: int) -> Iterator[None]:
        threads = [threading.Thread(target=self._send_until_end) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._end.set()
            for thread in threads:
                thread.join()

    def _send_until_end(self) -> None:
        while not self._end.is_set():
            self.send()

    def send(self) -> None:
        body = {"model": MODEL, "cache": "no-store", "messages": [{"role": "user", "content": "hi"}]}
        try:
            answer = httpx.post(self.url + CHAT, json=body | self.fields, timeout=60, verify=False)
        except httpx.TransportError:
            self.statuses[0] += 1
        else:
            self.statuses[answer.status_code] += 1
            if answer.status_code == 200 and "cogitate" in answer.json():
                self.stopped[answer.json()["cogitate"]["stopped"]] += 1


def test_server_that_cannot_start_says_why_once():
    flags = ("--workers", "3", "--redis-url", "redis://127.0.0.1:1/no", "--drain-seconds", "60")
    with Server(upstream="http://127.0.0.1:9/v1", flags=flags, ready=False) as server:
        assert server.wait_for_exit(15) == 1
        lines = [line for line in server.output.splitlines() if line]
    assert lines[-1].startswith("cogitate: ") and "Redis" in lines[-1] and sum("Redis" in line for line in lines) == 1


def test_killed_parent_leaves_no_process_and_frees_the_port():
    with run_workers(2, "--drain-seconds", "9", upstream=("--pace", "0.01", "--text", LONG_TEXT)) as workers:
        processes = [psutil.Process(pid) for pid in workers.pids]
        host, port = workers.server.address
        load = Load(workers.server.url, {"max_tokens": 150})
        asking = threading.Thread(target=load.send)
        asking.start()
        wait_until(lambda: read_metric(workers.server.get("/metrics").text, "cogitate_requests_in_flight") == 1)
        second = Server(upstream="http://127.0.0.1:9/v1", ready=False, flags=("--port", str(port)))
        with second:
            assert second.wait_for_exit(15) == 1 and "cannot listen" in second.output
        workers.server.send_signal(signal.SIGKILL)
        wait_until(lambda: is_free(host, port), 2)
        asking.join()
        assert load.statuses == {200: 1}  # in flight: finished
        assert psutil.wait_procs(processes, 10)[1] == []


def is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


@pytest.mark.fault("T41")
@pytest.mark.faults
def test_worker_that_is_killed_under_load_is_replaced(bar):
    clients = 16
    with run_workers(
        2,
        upstream=(
            "--pace",
            "0.005",
        ),
    ) as workers:
        load = Load(workers.server.url, {"max_tokens": 10})
        with load.run(clients):
            wait_until(lambda: load.statuses[200] >= 100)
            killed = min(workers.pids)
            psutil.Process(killed).kill()
            wait_until(lambda: killed not in workers.pids and len(workers.pids) == 2)
            began = load.statuses[200]
            workers.wait_for_count(2)
            wait_until(lambda: load.statuses[200] >= began + 200, 20)
        with workers.connect_to_each() as each:
            counted = {read_metric(client.get("/metrics").text, COUNTED) for client in each.values()}
        readiness = [workers.server.get("/health/ready").status_code for _ in range(8)]
    lost = load.statuses[0]
    figure = f"{lost} of {clients}, {dict(load.statuses)}"
    met = lost <= clients and set(load.statuses) <= {0, 200} and set(readiness) == {200}
    bar(f"SIGKILL to one of 2 workers, {clients} clients: requests lost", figure, "those in flight there", met)
    figure = f"{counted} of {load.statuses[200]}"
    bar("... requests counted, at each worker", figure, "all", counted == {load.statuses[200]})


@pytest.mark.fault("T14")
@pytest.mark.faults
@pytest.mark.parametrize("everybody", [False, True], ids=["parent", "all processes"])
def test_nothing_is_lost_of_two_hundred_requests_before_and_after_the_signal(bar, everybody: bool):
    """As one process does it: half of the requests arrive while the workers linger, and searches outlast the drain."""
    count, seconds = 200, 2.0
    limits = ("--max-generations", "2048", "--max-concurrent-requests", "1024")
    flags = ("--linger-seconds", "4", "--drain-seconds", "3", *limits)
    with run_workers(2, *flags, upstream=("--pace", "0.4", "--text", LONG_TEXT)) as workers:
        load = Load(workers.server.url, {"strategy": VOTE})
        threads = []
        for at in range(count):
            threads.append(threading.Thread(target=load.send))
            threads[-1].start()
            time.sleep(seconds / count)
            if at == count // 2:
                began = time.monotonic()
                for pid in {workers.server.pid, *(workers.pids if everybody else ())}:
                    psutil.Process(pid).terminate()
                time.sleep(0.2)
                unready = {workers.server.get("/health/ready").status_code for _ in range(8)}
        for thread in threads:
            thread.join()
        last = time.monotonic() - began
        status = workers.server.wait_for_exit(5)
    figure = f"{dict(load.statuses)}, {dict(load.stopped)}, the last at {last:.1f} s; ready {unready}; exit {status}"
    met = (
        load.statuses == {200: count} and load.stopped["draining"] > 0 and last <= 9 and (unready, status) == ({503}, 0)
    )
    what = f"SIGTERM to {'all processes' if everybody else 'the parent'} amid {count} requests at 2 workers"
    bar(what, figure, f"{count}, some draining, 9 s; 503; exit 0", met)


@pytest.mark.fault("T14")
@pytest.mark.faults
def test_second_signal_ends_all_workers_at_once(bar):
    figures = []
    for number in (signal.SIGTERM, signal.SIGINT):
        with run_workers(2, "--drain-seconds", "60", upstream=("--pace", "1")) as workers:
            load = Load(workers.server.url, {})
            threads = [threading.Thread(target=load.send) for _ in range(8)]
            for thread in threads:
                thread.start()
            wait_until(lambda: read_metric(workers.server.get("/metrics").text, "cogitate_requests_in_flight") == 8)  # noqa: B023
            workers.server.send_signal(number)
            time.sleep(0.5)
            began = time.monotonic()
            workers.server.send_signal(number)
            status = workers.server.wait_for_exit(10)
            figures.append((time.monotonic() - began, status))
            for thread in threads:
                thread.join()
    figure = ", ".join(f"{seconds:.1f} s, exit {status}" for seconds, status in figures)
    bar("SIGTERM twice, SIGINT twice, to 2 workers", figure, "4 s", all(seconds <= 4 for seconds, _ in figures))


@pytest.mark.fault("T14")
@pytest.mark.faults
def test_worker_that_hangs_is_killed_after_the_drain_and_not_before(bar):
    with run_workers(2, "--drain-seconds", "1") as workers:
        hanging = psutil.Process(min(workers.pids))
        hanging.suspend()
        began = time.monotonic()
        workers.server.send_signal(signal.SIGTERM)
        status = workers.server.wait_for_exit(40)
        seconds = time.monotonic() - began
        reason = workers.server.output.splitlines()[-1]
        left = hanging.is_running()
    figure = f"{seconds:.0f} s, exit {status}: {reason}"
    met = 20 <= seconds <= 25 and status == 1 and "SIGKILL" in reason and not left
    bar("SIGTERM with a worker that hangs, drain limit 1 s", figure, "21 s, exit 1 and the reason", met)


@pytest.mark.fault("T41")
@pytest.mark.faults
def test_worker_that_hangs_is_replaced(bar):
    with run_workers(2) as workers:
        hanging = psutil.Process(min(workers.pids))
        began = time.monotonic()
        hanging.suspend()
        wait_until(lambda: hanging.pid not in workers.pids, 90)
        seconds = time.monotonic() - began
        workers.wait_for_count(2)
        with workers.connect_to_each() as each:
            statuses = {client.get("/health/ready").status_code for client in each.values()}
        told = "worker 1 hung for 60 s, and was killed" in workers.server.output
    met = 55 <= seconds <= 75 and statuses == {200} and told
    bar("SIGSTOP to one of 2 workers: replaced after", f"{seconds:.0f} s, ready {statuses}", "75 s, 200", met)


@pytest.mark.fault("T41")
@pytest.mark.faults
def test_server_gives_up_when_a_worker_cannot_start_again(bar):
    with run_workers(2, "--drain-seconds", "1", keys=build_keys_file({"any": ""})) as workers:
        server = workers.server
        server._output.with_suffix(".keys").write_text("broken")
        began = time.monotonic()
        psutil.Process(min(workers.pids)).kill()
        status = server.wait_for_exit(60)
        seconds = time.monotonic() - began
        lines = server.output.splitlines()
    starts = sum("another one starts" in line for line in lines)
    figure = f"{starts} starts, exit {status} after {seconds:.0f} s: {lines[-1]}"
    met = starts == 5 and status == 1 and lines[-1].startswith("cogitate: worker 1 cannot start: ")
    bar("a keys file that breaks, then SIGKILL to one of 2 workers", figure, "5 starts, exit 1 and the reason", met)


@pytest.mark.fault("T31")
@pytest.mark.faults
def test_limit_of_a_key_holds_over_the_workers_of_a_server(bar):
    limit = 100
    keys = build_keys_file({"rate": f"requests_per_minute={limit}"})
    with run_workers(2, keys=keys) as workers:
        requests = [new_question() | {"model": MODEL, "max_tokens": 5} for _ in range(2 * limit)]
        answers = post_simultaneously(workers.server, requests, auth_header("rate"))
    statuses = Counter(status for status, *_ in answers)
    met = statuses == {200: limit, 429: limit}
    bar(f"{2 * limit} requests at once at 2 workers, {limit} a minute", str(dict(statuses)), f"{limit}, {limit}", met)
