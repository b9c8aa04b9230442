"""Calls between the server processes that share a Redis, over its publish/subscribe channels.

A call goes to every other process, and each replies yes or no. Nothing is stored in Redis. While Redis is unavailable,
no other process can be reached and every call returns False.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, Protocol

from redis.exceptions import RedisError

from cogitate.server.cache.circuit_breaker import CircuitBreaker
from cogitate.server.cache.redis_client import PREFIX, RedisClient, Subscription, close_redis, connect
from cogitate.server.cache.redis_url import parse_database
from cogitate.server.cache.signing import OVERHEAD_BYTES, seal, unseal

Handler = Callable[[bytes], bool]
"""Handles the call of another process; returns the reply."""
REPLY_SECONDS = 1.0
"""Time that a call waits for replies. A call takes this long only if another process hangs."""
PING_SECONDS = 5.0
"""Time without a message after which a subscription is probed; after two probes without a reply it is renewed."""
RECONNECT_SECONDS = 1.0
MAX_PAYLOAD_BYTES = 4096
ID_BYTES = 16
"""The length of a process id and of a call id."""
CALL, REPLY = b"?", b"!"
YES, NO = b"1", b""


class PeerRpc(Protocol):
    """Calls the other server processes, and handles their calls."""

    async def call(self, payload: bytes) -> bool:
        """Send the payload to every other process. Returns whether one replied yes; False where none is reached."""

    async def serve(self, handler: Handler) -> None:
        """Handle the calls of other processes until cancelled."""

    async def close(self) -> None:
        """Close every connection."""


class NoPeers:
    """Implements `PeerRpc` for a process without peers."""

    async def call(self, payload: bytes) -> bool:
        return False

    async def serve(self, handler: Handler) -> None:
        pass

    async def close(self) -> None:
        pass


class Message(NamedTuple):
    """A published message: a call, or the reply to the call with this id."""

    kind: bytes
    sender: bytes
    call_id: bytes
    payload: bytes

    @classmethod
    def parse(cls, data: bytes) -> "Message":
        ids = 1 + 2 * ID_BYTES
        return cls(data[:1], data[1 : 1 + ID_BYTES], data[1 + ID_BYTES : ids], data[ids:])

    def to_bytes(self) -> bytes:
        return b"".join(self)


MAX_MESSAGE_BYTES = OVERHEAD_BYTES + 1 + 2 * ID_BYTES + MAX_PAYLOAD_BYTES


class RedisPeerRpc:
    """Implements `PeerRpc` over Redis. With a `secret`, messages that are not signed with it are ignored.

    `timeout` and `on_fault` are those of `RedisClient`; `on_fault` is called with "corrupt" for each message that
    is ignored or too long. A call waits `reply_seconds` for replies. Raises ValueError for an unusable URL.
    """

    def __init__(
        self,
        url: str,
        *,
        on_fault: Callable[[str], None],
        secret: bytes | None = None,
        reply_seconds: float = REPLY_SECONDS,
        timeout: float = REPLY_SECONDS / 4,
    ) -> None:
        self._client = RedisClient(url, on_fault, timeout=timeout)
        self._subscriber = connect(url, 1)
        self._on_fault, self._secret, self._reply_seconds = on_fault, secret, reply_seconds
        self._process_id = os.urandom(ID_BYTES)
        self._broadcast_channel = f"{PREFIX}peers:{parse_database(url)}"
        self._breaker = CircuitBreaker()
        self._replies: dict[bytes, asyncio.Queue[bytes]] = {}
        """Replies by the id of the pending call."""
        self.is_connected = False
        """Whether messages of other processes reach this one now."""

    async def call(self, payload: bytes) -> bool:
        if len(payload) > MAX_PAYLOAD_BYTES:
            return False
        call_id = os.urandom(ID_BYTES)
        replies = self._replies[call_id] = asyncio.Queue[bytes]()
        try:
            async with asyncio.timeout(self._reply_seconds):
                call = Message(CALL, self._process_id, call_id, payload)
                receivers = await self._publish(self._broadcast_channel, call)
                for _ in range(receivers - self.is_connected):
                    if await replies.get() == YES:
                        return True
        except TimeoutError:
            return False
        finally:
            del self._replies[call_id]
        return False

    async def serve(self, handler: Handler) -> None:
        while True:
            with suppress(RedisError, OSError, TimeoutError):
                async with self._subscriber.pubsub() as subscription:
                    await self._receive(subscription, handler)
            self.is_connected = False
            await asyncio.sleep(RECONNECT_SECONDS)

    async def close(self) -> None:
        await self._client.close()
        await close_redis(self._subscriber)

    async def _receive(self, subscription: Subscription, handler: Handler) -> None:
        """Handle messages; returns when Redis no longer replies to pings."""
        async with asyncio.timeout(PING_SECONDS):
            await subscription.subscribe(self._broadcast_channel, self._channel_of(self._process_id))
        silences = 0
        while silences < 2:
            try:
                async with asyncio.timeout(PING_SECONDS):
                    message = await subscription.get_message(timeout=None)
            except TimeoutError:
                silences += 1
                async with asyncio.timeout(PING_SECONDS):
                    await subscription.ping()
                continue
            silences, self.is_connected = 0, True
            if message and message["type"] == "message":
                await self._handle(message["channel"].decode(), message["data"], handler)

    async def _handle(self, channel: str, envelope: bytes, handler: Handler) -> None:
        if len(envelope) > MAX_MESSAGE_BYTES or (data := unseal(channel, envelope, self._secret)) is None:
            self._on_fault("corrupt")
            return
        message = Message.parse(data)
        if message.kind == REPLY and (replies := self._replies.get(message.call_id)) is not None:
            replies.put_nowait(message.payload)
        elif message.kind == CALL and message.sender != self._process_id:
            reply = YES if handler(message.payload) else NO
            answer = Message(REPLY, self._process_id, message.call_id, reply)
            await self._publish(self._channel_of(message.sender), answer)

    async def _publish(self, channel: str, message: Message) -> int:
        """Return the number of subscribers that received it; 0 where Redis is unavailable."""
        envelope = seal(channel, message.to_bytes(), self._secret)
        redis = self._client.redis
        return await self._client.attempt("publish to", self._breaker, lambda: redis.publish(channel, envelope)) or 0

    def _channel_of(self, process_id: bytes) -> str:
        return f"{self._broadcast_channel}:{process_id.hex()}"
