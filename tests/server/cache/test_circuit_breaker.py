"""The circuit breaker, with a clock that the test sets."""

from cogitate.server.cache.circuit_breaker import CircuitBreaker
from tests.server.cache.clock import Clock


def open_breaker(clock: Clock) -> CircuitBreaker:
    breaker = CircuitBreaker(failures=3, pause=1, longest=8, clock=clock)
    assert [fail(breaker) for _ in range(3)] == [False, False, True]
    return breaker


def fail(breaker: CircuitBreaker) -> bool:
    era = breaker.admit()
    assert era is not None
    return breaker.record_failure(era)


def test_the_breaker_opens_after_three_failures_in_a_row() -> None:
    assert open_breaker(Clock()).admit() is None


def test_a_success_resets_the_count_of_failures() -> None:
    breaker = CircuitBreaker(failures=3)
    for _ in range(10):
        fail(breaker)
        fail(breaker)
        era = breaker.admit()
        assert era is not None
        assert not breaker.record_success(era)


def test_an_open_breaker_admits_one_probe_at_a_time() -> None:
    clock = Clock()
    breaker = open_breaker(clock)
    clock.now = 1000.999
    assert breaker.admit() is None
    clock.now = 1001.0
    assert breaker.admit() is not None
    assert breaker.admit() is None


def test_a_successful_probe_closes_the_breaker() -> None:
    clock = Clock()
    breaker = open_breaker(clock)
    clock.now += 1.0
    era = breaker.admit()
    assert era is not None
    assert breaker.record_success(era)
    assert breaker.admit() is not None
    assert breaker.admit() is not None


def test_the_pause_doubles_up_to_its_limit_and_is_reset_by_a_success() -> None:
    clock = Clock()
    breaker = open_breaker(clock)
    pauses = []
    for _ in range(6):
        began = clock.now
        while (era := breaker.admit()) is None:
            clock.now += 0.25
        pauses.append(clock.now - began)
        assert not breaker.record_failure(era)  # already open
    assert pauses == [1, 2, 4, 8, 8, 8]
    clock.now += 8
    era = breaker.admit()
    assert era is not None
    breaker.record_success(era)
    assert [fail(breaker) for _ in range(3)] == [False, False, True]
    clock.now += 1
    assert breaker.admit() is not None


def test_concurrent_failures_open_the_breaker_once() -> None:
    clock = Clock()
    breaker = CircuitBreaker(failures=3, pause=1, clock=clock)
    eras = [breaker.admit() for _ in range(50)]
    assert [breaker.record_failure(era) for era in eras if era is not None].count(True) == 1
    clock.now += 1.0
    assert breaker.admit() is not None


def test_results_of_an_earlier_era_are_ignored() -> None:
    clock = Clock()
    breaker = CircuitBreaker(failures=3, clock=clock)
    late = breaker.admit()
    assert late is not None
    for _ in range(3):
        fail(breaker)
    assert not breaker.record_success(late)
    assert breaker.admit() is None
    clock.now += 1.0
    era = breaker.admit()
    assert era is not None
    breaker.record_success(era)
    assert not any(breaker.record_failure(late) for _ in range(9))
    assert breaker.admit() is not None


def test_a_probe_that_never_reports_is_followed_by_another() -> None:
    clock = Clock()
    breaker = open_breaker(clock)
    for _ in range(4):
        clock.now += 1
        assert breaker.admit() is not None
