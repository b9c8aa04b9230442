"""The server: its routes, its pace, its counters."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import orjson

from tests.fakes.upstream.decode import Body, Decode, Vocabulary, cut
from tests.fakes.upstream.faults import broken, event
from tests.fakes.upstream.script import Script
from tests.fakes.upstream.wire import STREAM, Connection, Request, whole


@dataclass(slots=True)
class Counters:
    calls: int = 0
    """Chats and completions asked for."""
    answers: int = 0
    """... and answers: one call may ask for several."""
    in_flight: int = 0
    most_in_flight: int = 0
    aborted: int = 0
    """Answers whose client hung up."""
    tokens: int = 0
    """Decoded, whatever became of them."""


@dataclass(slots=True, repr=False)
class FakeUpstream:
    script: Script = field(default_factory=Script)
    counters: Counters = field(default_factory=Counters)
    asked: list[tuple[str, Body, dict[bytes, bytes]]] = field(default_factory=list)
    """Path, body and headers of the latest requests."""
    remember: int = 1000
    hear: Callable[[str, Body], object] = lambda path, body: None
    """Is told of each request."""
    port: int = 0
    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    _server: asyncio.Server | None = None
    _open: set[Connection] = field(default_factory=set)
    _ready: dict[object, bytes] = field(default_factory=dict)
    """Answers already written out: a benchmark gets the same one many times."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listens: on a free port, and after a stop on the same one again."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, "127.0.0.1", self.port, backlog=2048)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuses connections from now on, and drops those it has."""
        assert self._server is not None
        self._server.close()
        for connection in list(self._open):
            connection.transport.abort()
        while self._open:  # noqa: ASYNC110 a transport has no event for its end
            await asyncio.sleep(0.001)

    def _connection(self) -> Connection:
        connection = Connection(self._serve, self._lost)
        self._open.add(connection)
        return connection

    def _lost(self, connection: Connection, *, busy: bool) -> None:
        self._open.discard(connection)
        self.counters.aborted += busy

    def _serve(self, request: Request, connection: Connection) -> bytes | Coroutine[Any, Any, None]:
        if request.path == "/counters":
            return whole(200, json.dumps(asdict(self.counters)).encode())
        body = orjson.loads(request.body) if request.body else {}
        unknown = () if self.script.logprobs else ("logprobs", "top_logprobs")
        unknown += () if self.script.vllm else ("return_token_ids",)
        body = {name: value for name, value in body.items() if name not in unknown}
        self.hear(request.path, body)
        if len(self.asked) < self.remember:
            self.asked.append((request.path, body, request.headers))
        if (
            self.script.key is not None
            and request.headers.get(b"authorization") != f"Bearer {self.script.key}".encode()
        ):
            return whole(401, b'{"error": {"message": "Incorrect API key provided: sk-live-canary", "code": 401}}')
        if request.path == "/v1/models":
            return whole(200, json.dumps(self._models()).encode())
        if request.path == "/tokenize" and self.script.vllm:
            tokens = ["?"] if self.script.no_tokens else self._prompt_ids(body)
            return whole(200, json.dumps({"tokens": tokens, "max_model_len": 4096}).encode())
        if request.path in ("/v1/chat/completions", "/v1/completions"):
            return self._decode(body, connection, chat=request.path == "/v1/chat/completions")
        return whole(404, b'{"error": {"message": "no such path", "code": 404}}')

    def _models(self) -> Body:
        card: Body = {"id": self.script.model, "object": "model", "created": 1_700_000_000, "owned_by": "somebody"}
        return {
            "object": "list",
            "data": [card | ({"owned_by": "vllm", "max_model_len": 4096} if self.script.vllm else {})],
        }

    def _decode(self, body: Body, connection: Connection, *, chat: bool) -> bytes | Coroutine[Any, Any, None]:
        call = self.counters.answers
        self.counters.calls += 1
        self.counters.answers += body.get("n") or 1
        if self.script.refusal is not None:
            status, message = self.script.refusal
            return whole(status, json.dumps({"error": {"message": message, "param": None, "code": status}}).encode())
        script = self.script
        if script.fault == "none" and not script.latency and not script.pace and not body.get("stream"):
            return self._at_once(body, call, chat=chat)
        return self._counted(self._slowly(body, call, connection, chat=chat))

    def _at_once(self, body: Body, call: int, *, chat: bool) -> bytes:
        plain = (
            chat and not self.script.overcount and not {"logprobs", "stop", "return_token_ids", "tools"} & body.keys()
        )
        text = self.script.text(call, body.get("seed"))
        key = (text, body.get("n"), body.get("max_tokens"), len(body.get("messages", ())))
        if plain and (ready := self._ready.get(key)):
            self.counters.tokens += self._ready_tokens(key)
            return ready
        said = self._said(body, call, chat=chat)
        tokens = sum(decode.tokens for decode in said)
        self.counters.tokens += tokens
        answer = whole(200, orjson.dumps(self._body(body, said)))
        if plain:
            self._ready[key] = answer
            self._ready[(key, "tokens")] = b"%d" % tokens
        return answer

    def _ready_tokens(self, key: object) -> int:
        return int(self._ready[(key, "tokens")])

    async def _counted(self, answer: Coroutine[Any, Any, None]) -> None:
        counters = self.counters
        counters.in_flight += 1
        counters.most_in_flight = max(counters.most_in_flight, counters.in_flight)
        try:
            await answer
        finally:
            counters.in_flight -= 1

    async def _slowly(self, body: Body, call: int, connection: Connection, *, chat: bool) -> None:
        said = self._said(body, call, chat=chat)
        stream = bool(body.get("stream"))
        if self.script.fault != "none":
            await broken(self.script, connection, self._body(body, said), stream)
            return
        if delay := self.script.delay():
            await asyncio.sleep(delay)
        if stream:
            await self._stream(body, said[0], connection)
            return
        for step in range(max(decode.tokens for decode in said) if self.script.pace else 0):
            self.counters.tokens += sum(step < decode.tokens for decode in said)
            await asyncio.sleep(self.script.pace)
        self.counters.tokens += 0 if self.script.pace else sum(decode.tokens for decode in said)
        connection.write(whole(200, orjson.dumps(self._body(body, said))))

    async def _stream(self, body: Body, decode: Decode, connection: Connection) -> None:
        options = body.get("stream_options") or {}
        running = bool(options.get("continuous_usage_stats")) and self.script.vllm
        head = {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 1, "model": self.script.model}
        connection.write(STREAM)
        if decode.chat:
            first = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
            usage = {"usage": decode.usage(0)} if running else {}
            connection.chunk(event(head | {"choices": [first]} | usage))
        for at, choice in enumerate(decode.deltas(self.vocabulary.words, body), start=1):
            self.counters.tokens += 1
            usage = {"usage": decode.usage(at)} if running else {}
            connection.chunk(event(head | {"choices": [choice]} | usage))
            if self.script.pace:
                await asyncio.sleep(self.script.pace)
        if options.get("include_usage") and self.script.usage:
            connection.chunk(event(head | {"choices": [], "usage": decode.usage()}))
        connection.chunk(b"data: [DONE]\n\n")
        connection.write(b"0\r\n\r\n")

    def _said(self, body: Body, call: int, *, chat: bool) -> list[Decode]:
        """As many as are wanted, each saying the next of the script's texts."""
        prompt = self._prompt_ids(body)
        return [self._choice(body, prompt, call + at, chat=chat) for at in range(body.get("n") or 1)]

    def _choice(self, body: Body, prompt: list[int], call: int, *, chat: bool) -> Decode:
        story = self.vocabulary.encode(self.script.text(call, body.get("seed")))
        ids = story if chat else story[said_already(prompt, story) :]
        made, text, finish, stop = cut(ids, self.vocabulary.words, body)
        calls = self.script.calls if body.get("tools") else ()
        return Decode(text, tuple(made), finish, stop, len(prompt), chat, self.script.reasoning, calls)

    def _body(self, request: Body, said: list[Decode]) -> Body:
        words, tokens = self.vocabulary.words, sum(decode.tokens for decode in said)
        return {
            "id": "chatcmpl-fake",
            "object": "chat.completion" if said[0].chat else "text_completion",
            "created": 1_700_000_000,
            "model": self.script.model,
            "choices": [decode.choice(request, words, index) for index, decode in enumerate(said)],
            **({"usage": said[0].usage(tokens + self.script.overcount)} if self.script.usage else {}),
        }

    def _prompt_ids(self, body: Body) -> list[int]:
        if "messages" in body:
            said = (f"<{message['role']}> {message.get('content')} " for message in body["messages"])
            return self.vocabulary.encode("".join(said))
        prompt = body.get("prompt", "")
        return list(prompt) if isinstance(prompt, list) else self.vocabulary.encode(str(prompt))


def said_already(prompt: list[int], story: list[int]) -> int:
    """How much of the story the prompt ends with."""
    return max((n for n in range(1, len(story) + 1) if prompt[-n:] == story[:n]), default=0)
