"""What becomes of a Redis, and how it is mended: the faults of T6, under which limits must hold too (T32)."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.fakes.redis_server import RedisServer

Act = Callable[[RedisServer], object]
NAP = 0.9
"""Seconds that it sleeps."""
EACH = """for _, key in ipairs(redis.call('KEYS', '*')) do
    if not key:find(':lock$') then redis.call('UNLINK', key) redis.call(ARGV[1], key, ARGV[2]) end
end"""


@dataclass(frozen=True, slots=True)
class Fault:
    begin: Act
    end: Act = lambda redis: None
    again: float = 0.0
    """Seconds after which it must be done anew: what it did is mended by use, or over by itself."""


def every(command: str, value: str) -> Act:
    """What is kept, claims aside, is this instead."""
    return lambda redis: redis.do("EVAL", EACH, 0, command, value)


def roomless(redis: RedisServer) -> None:
    redis.do("CONFIG", "SET", "maxmemory", "1", "maxmemory-policy", "noeviction")


def anew(redis: RedisServer) -> None:
    redis.kill()
    redis.start()


FAULTS = {
    "killed": Fault(RedisServer.kill, RedisServer.start),
    "frozen": Fault(RedisServer.stop, RedisServer.cont),
    "paused": Fault(lambda redis: redis.do("CLIENT", "PAUSE", "600000", "ALL"), anew),
    "full": Fault(roomless, lambda redis: redis.do("CONFIG", "SET", "maxmemory", "0")),
    "read-only": Fault(
        lambda redis: redis.do("ACL", "SETUSER", "default", "-@write"),
        lambda redis: redis.do("ACL", "SETUSER", "default", "+@all"),
    ),
    "of another type": Fault(every("LPUSH", "x"), again=5),
    "full of noise": Fault(every("SET", "\x00\x80noise"), again=5),
    "flushed": Fault(lambda redis: redis.do("FLUSHALL"), again=5),
    "asleep": Fault(lambda redis: redis.do("DEBUG", "SLEEP", str(NAP)), again=10),
}
