"""The fake server: routes, pace and counters."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import orjson

from tests.fakes.upstream.connection import STREAM_HEAD, Connection, Request, encode_response
from tests.fakes.upstream.decode import Body, Decode, Vocabulary, cut
from tests.fakes.upstream.faults import event, send_fault
from tests.fakes.upstream.script import Script


@dataclass(slots=True)
class Counters:
    """What the server has decoded; GET /counters returns it as JSON."""

    calls: int = 0
    """Requests for chat and raw completions."""
    choices: int = 0
    """Choices of these requests: `n` may be above 1."""
    in_flight: int = 0
    max_in_flight: int = 0
    aborted: int = 0
    """Responses whose client disconnected before their end."""
    tokens: int = 0
    """Decoded, whether or not they were received."""


@dataclass(slots=True, repr=False)
class FakeUpstream:
    """The server. Runs in the caller's event loop, as a context manager or between `start` and `stop`."""

    script: Script = field(default_factory=Script)
    counters: Counters = field(default_factory=Counters)
    requests: list[tuple[str, Body, dict[bytes, bytes]]] = field(default_factory=list)
    """Path, body and headers of the first `max_recorded` requests."""
    max_recorded: int = 1000
    on_request: Callable[[str, Body], object] = lambda path, body: None
    """Called with the path and the body of each request."""
    host: str = "127.0.0.1"
    port: int = 0
    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    _server: asyncio.Server | None = None
    _open: set[Connection] = field(default_factory=set)
    _ready: dict[object, bytes] = field(default_factory=dict)
    """Encoded responses by request, since a benchmark requests the same one many times."""

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/v1"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen on a free port; after `stop`, on the same port again."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, self.host, self.port, backlog=2048)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse new connections and abort the open ones."""
        assert self._server is not None
        self._server.close()
        for connection in list(self._open):
            connection.transport.abort()
        while self._open:  # noqa: ASYNC110 a transport has no event for its end
            await asyncio.sleep(0.001)

    def _connection(self) -> Connection:
        connection = Connection(self._serve, self._record_disconnect)
        self._open.add(connection)
        return connection

    def _record_disconnect(self, connection: Connection, *, busy: bool) -> None:
        self._open.discard(connection)
        self.counters.aborted += busy

    def _serve(self, request: Request, connection: Connection) -> bytes | Coroutine[Any, Any, None]:
        if request.path == "/counters":
            return encode_response(200, json.dumps(asdict(self.counters)).encode())
        body = orjson.loads(request.body) if request.body else {}
        unknown = () if self.script.logprobs else ("logprobs", "top_logprobs")
        unknown += () if self.script.vllm else ("return_token_ids",)
        body = {name: value for name, value in body.items() if name not in unknown}
        self.on_request(request.path, body)
        if len(self.requests) < self.max_recorded:
            self.requests.append((request.path, body, request.headers))
        if (
            self.script.key is not None
            and request.headers.get(b"authorization") != f"Bearer {self.script.key}".encode()
        ):
            return encode_response(
                401, b'{"error": {"message": "Incorrect API key provided: sk-live-canary", "code": 401}}'
            )
        if request.path == "/v1/models":
            return encode_response(200, json.dumps(self._models()).encode())
        if request.path == "/tokenize" and self.script.vllm:
            tokens = ["?"] if self.script.no_tokens else self._prompt_ids(body)
            return encode_response(200, json.dumps({"tokens": tokens, "max_model_len": 4096}).encode())
        if request.path in ("/v1/chat/completions", "/v1/completions"):
            return self._decode(body, connection, chat=request.path == "/v1/chat/completions")
        return encode_response(404, b'{"error": {"message": "no such path", "code": 404}}')

    def _models(self) -> Body:
        card: Body = {"id": self.script.model, "object": "model", "created": 1_700_000_000, "owned_by": "somebody"}
        return {
            "object": "list",
            "data": [card | ({"owned_by": "vllm", "max_model_len": 4096} if self.script.vllm else {})],
        }

    def _decode(self, body: Body, connection: Connection, *, chat: bool) -> bytes | Coroutine[Any, Any, None]:
        call = self.counters.choices
        self.counters.calls += 1
        self.counters.choices += body.get("n") or 1
        if self.script.refusal is not None:
            status, message = self.script.refusal
            return encode_response(
                status, json.dumps({"error": {"message": message, "param": None, "code": status}}).encode()
            )
        script = self.script
        if script.fault == "none" and not script.latency and not script.pace and not body.get("stream"):
            return self._respond_at_once(body, call, chat=chat)
        return self._count_in_flight(self._respond_slowly(body, call, connection, chat=chat))

    def _respond_at_once(self, body: Body, call: int, *, chat: bool) -> bytes:
        plain = (
            chat and not self.script.overcount and not {"logprobs", "stop", "return_token_ids", "tools"} & body.keys()
        )
        text = self.script.text(call, body.get("seed"))
        key = (text, body.get("n"), body.get("max_tokens"), len(body.get("messages", ())))
        if plain and (ready := self._ready.get(key)):
            self.counters.tokens += self._ready_tokens(key)
            return ready
        decodes = self._decode_choices(body, call, chat=chat)
        tokens = sum(decode.tokens for decode in decodes)
        self.counters.tokens += tokens
        response = encode_response(200, orjson.dumps(self._body(body, decodes)))
        if plain:
            self._ready[key] = response
            self._ready[(key, "tokens")] = b"%d" % tokens
        return response

    def _ready_tokens(self, key: object) -> int:
        return int(self._ready[(key, "tokens")])

    async def _count_in_flight(self, response: Coroutine[Any, Any, None]) -> None:
        counters = self.counters
        counters.in_flight += 1
        counters.max_in_flight = max(counters.max_in_flight, counters.in_flight)
        try:
            await response
        finally:
            counters.in_flight -= 1

    async def _respond_slowly(self, body: Body, call: int, connection: Connection, *, chat: bool) -> None:
        decodes = self._decode_choices(body, call, chat=chat)
        stream = bool(body.get("stream"))
        if self.script.fault != "none":
            await send_fault(self.script, connection, self._body(body, decodes), stream)
            return
        if delay := self.script.delay():
            await asyncio.sleep(delay)
        if stream:
            await self._stream(body, decodes[0], connection)
            return
        for step in range(max(decode.tokens for decode in decodes) if self.script.pace else 0):
            self.counters.tokens += sum(step < decode.tokens for decode in decodes)
            await asyncio.sleep(self.script.pace)
        self.counters.tokens += 0 if self.script.pace else sum(decode.tokens for decode in decodes)
        connection.write(encode_response(200, orjson.dumps(self._body(body, decodes))))

    async def _stream(self, body: Body, decode: Decode, connection: Connection) -> None:
        options = body.get("stream_options") or {}
        running = bool(options.get("continuous_usage_stats")) and self.script.vllm
        head = {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 1, "model": self.script.model}
        connection.write(STREAM_HEAD)
        if decode.chat:
            first = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
            usage = {"usage": decode.usage(0)} if running else {}
            connection.write_chunk(event(head | {"choices": [first]} | usage))
        for at, choice in enumerate(decode.deltas(self.vocabulary.words, body), start=1):
            self.counters.tokens += 1
            usage = {"usage": decode.usage(at)} if running else {}
            connection.write_chunk(event(head | {"choices": [choice]} | usage))
            if self.script.pace:
                await asyncio.sleep(self.script.pace)
        if options.get("include_usage") and self.script.usage:
            connection.write_chunk(event(head | {"choices": [], "usage": decode.usage()}))
        connection.write_chunk(b"data: [DONE]\n\n")
        connection.write(b"0\r\n\r\n")

    def _decode_choices(self, body: Body, call: int, *, chat: bool) -> list[Decode]:
        """Decode `n` choices, each the next of the script's texts."""
        prompt = self._prompt_ids(body)
        return [self._choice(body, prompt, call + at, chat=chat) for at in range(body.get("n") or 1)]

    def _choice(self, body: Body, prompt: list[int], call: int, *, chat: bool) -> Decode:
        story = self.vocabulary.encode(self.script.text(call, body.get("seed")))
        ids = story if chat else story[matching_length(prompt, story) :]
        made, text, finish, stop = cut(ids, self.vocabulary.words, body)
        calls = self.script.calls if body.get("tools") else ()
        return Decode(text, tuple(made), finish, stop, len(prompt), chat, self.script.reasoning, calls)

    def _body(self, request: Body, decodes: list[Decode]) -> Body:
        words, tokens = self.vocabulary.words, sum(decode.tokens for decode in decodes)
        return {
            "id": "chatcmpl-fake",
            "object": "chat.completion" if decodes[0].chat else "text_completion",
            "created": 1_700_000_000,
            "model": self.script.model,
            "choices": [decode.choice(request, words, index) for index, decode in enumerate(decodes)],
            **({"usage": decodes[0].usage(tokens + self.script.overcount)} if self.script.usage else {}),
        }

    def _prompt_ids(self, body: Body) -> list[int]:
        if "messages" in body:
            turns = (f"<{message['role']}> {message.get('content')} " for message in body["messages"])
            return self.vocabulary.encode("".join(turns))
        prompt = body.get("prompt", "")
        return list(prompt) if isinstance(prompt, list) else self.vocabulary.encode(str(prompt))


def matching_length(prompt: list[int], story: list[int]) -> int:
    """How many of the story's first tokens the prompt ends with."""
    return max((n for n in range(1, len(story) + 1) if prompt[-n:] == story[:n]), default=0)
