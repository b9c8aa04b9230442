"""The token bucket: refill, Retry-After, response headers, bound on the number of buckets."""

import pytest

from cogitate.server.auth.rate_limit import MAX_BUCKETS, RateLimiter
from cogitate.server.errors import Overloaded


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_empty_bucket_raises_with_the_seconds_until_the_next_token():
    clock = Clock()
    limiter = RateLimiter(clock)
    for _ in range(30):
        limiter.acquire("a", 30)
    with pytest.raises(Overloaded) as refused:
        limiter.acquire("a", 30)
    assert refused.value.headers == {"Retry-After": "2"}
    limiter.acquire("b", 30)
    clock.now += 2
    limiter.acquire("a", 30)
    with pytest.raises(Overloaded):
        limiter.acquire("a", 30)


def test_bucket_never_has_more_tokens_than_its_limit():
    clock = Clock()
    limiter = RateLimiter(clock)
    limiter.acquire("a", 2)
    clock.now += 3600
    for _ in range(2):
        limiter.acquire("a", 2)
    with pytest.raises(Overloaded):
        limiter.acquire("a", 2)


def test_headers_state_limit_remaining_and_reset():
    limiter = RateLimiter(Clock())
    limiter.acquire("a", 30)
    assert dict(limiter.acquire("a", 30)) == {
        b"x-ratelimit-limit-requests": b"30",
        b"x-ratelimit-remaining-requests": b"28",
        b"x-ratelimit-reset-requests": b"4.0s",
    }


def test_least_recently_used_buckets_are_dropped():
    limiter = RateLimiter(Clock())
    for name in range(MAX_BUCKETS):
        limiter.acquire(str(name), 1)
    with pytest.raises(Overloaded):
        limiter.acquire("0", 1)
    limiter.acquire("new", 1)
    assert len(limiter.buckets) == MAX_BUCKETS and "0" in limiter.buckets and "1" not in limiter.buckets
