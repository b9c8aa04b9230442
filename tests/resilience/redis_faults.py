"""Faults of a Redis server and their repair."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.fakes.redis_server import RedisServer

Act = Callable[[RedisServer], object]
SLEEP_SECONDS = 0.9
OVERWRITE_ALL = """for _, key in ipairs(redis.call('KEYS', '*')) do
    if not key:find(':lock$') then redis.call('UNLINK', key) redis.call(ARGV[1], key, ARGV[2]) end
end"""


@dataclass(frozen=True, slots=True)
class Fault:
    begin: Act
    end: Act = lambda redis: None
    again: float = 0.0
    """Seconds after which to repeat `begin`, for a fault that ends by itself or by normal use; 0: never."""


def overwrite_all(command: str, value: str) -> Act:
    """Replace every value except locks."""
    return lambda redis: redis.do("EVAL", OVERWRITE_ALL, 0, command, value)


def fill(redis: RedisServer) -> None:
    redis.do("CONFIG", "SET", "maxmemory", "1", "maxmemory-policy", "noeviction")


def restart(redis: RedisServer) -> None:
    redis.kill()
    redis.start()


FAULTS = {
    "killed": Fault(RedisServer.kill, RedisServer.start),
    "frozen": Fault(RedisServer.stop, RedisServer.cont),
    "paused": Fault(lambda redis: redis.do("CLIENT", "PAUSE", "600000", "ALL"), restart),
    "full": Fault(fill, lambda redis: redis.do("CONFIG", "SET", "maxmemory", "0")),
    "read-only": Fault(
        lambda redis: redis.do("ACL", "SETUSER", "default", "-@write"),
        lambda redis: redis.do("ACL", "SETUSER", "default", "+@all"),
    ),
    "of another type": Fault(overwrite_all("LPUSH", "x"), again=5),
    "full of noise": Fault(overwrite_all("SET", "\x00\x80noise"), again=5),
    "flushed": Fault(lambda redis: redis.do("FLUSHALL"), again=5),
    "asleep": Fault(lambda redis: redis.do("DEBUG", "SLEEP", str(SLEEP_SECONDS)), again=10),
}
