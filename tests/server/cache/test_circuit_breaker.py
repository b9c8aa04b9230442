"""The breaker, by its clock."""

from cogitate.server.cache.circuit_breaker import Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def opened(clock: Clock) -> Breaker:
    breaker = Breaker(failures=3, pause=1, longest=8, clock=clock)
    assert [fail(breaker) for _ in range(3)] == [False, False, True]
    return breaker


def fail(breaker: Breaker) -> bool:
    era = breaker.admit()
    assert era is not None
    return breaker.failed(era)


def test_it_opens_after_a_few_failures_in_a_row() -> None:
    assert opened(Clock()).admit() is None


def test_a_success_between_them_starts_the_count_again() -> None:
    breaker = Breaker(failures=3)
    for _ in range(10):
        fail(breaker)
        fail(breaker)
        era = breaker.admit()
        assert era is not None
        assert not breaker.succeeded(era)


def test_one_at_a_time_tries() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now = 0.999
    assert breaker.admit() is None
    clock.now = 1.0
    assert breaker.admit() is not None
    assert breaker.admit() is None


def test_a_try_that_succeeds_closes_it() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now = 1.0
    era = breaker.admit()
    assert era is not None
    assert breaker.succeeded(era)
    assert breaker.admit() is not None
    assert breaker.admit() is not None


def test_the_pause_doubles_up_to_the_longest_and_starts_small_again() -> None:
    clock = Clock()
    breaker = opened(clock)
    pauses = []
    for _ in range(6):
        began = clock.now
        while (era := breaker.admit()) is None:
            clock.now += 0.25
        pauses.append(clock.now - began)
        assert not breaker.failed(era)  # open already: not news
    assert pauses == [1, 2, 4, 8, 8, 8]
    clock.now += 8
    era = breaker.admit()
    assert era is not None
    breaker.succeeded(era)
    assert [fail(breaker) for _ in range(3)] == [False, False, True]
    clock.now += 1
    assert breaker.admit() is not None


def test_fifty_calls_that_fail_together_are_one_failure_too_many() -> None:
    clock = Clock()
    breaker = Breaker(failures=3, pause=1, clock=clock)
    eras = [breaker.admit() for _ in range(50)]
    assert [breaker.failed(era) for era in eras if era is not None].count(True) == 1
    clock.now = 1.0
    assert breaker.admit() is not None


def test_old_news_neither_closes_nor_opens() -> None:
    clock = Clock()
    breaker = Breaker(failures=3, clock=clock)
    late = breaker.admit()
    assert late is not None
    for _ in range(3):
        fail(breaker)
    assert not breaker.succeeded(late)
    assert breaker.admit() is None
    clock.now = 1.0
    era = breaker.admit()
    assert era is not None
    breaker.succeeded(era)
    assert not any(breaker.failed(late) for _ in range(9))
    assert breaker.admit() is not None


def test_a_try_that_never_reports_is_followed_by_another() -> None:
    clock = Clock()
    breaker = opened(clock)
    for second in range(1, 5):
        clock.now = float(second)
        assert breaker.admit() is not None
