"""The Engine port over replicas: the samples of one request.

An answer is streamed only where somebody reads it as it grows, or will read what an abort leaves of it. Where nobody
reads along, the stream's bytes are kept as they come and read once, at the end or at the abort.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cogitate.server.engine import Body
from cogitate.server.engine.remote import events
from cogitate.server.engine.remote.batching import Joints, Made
from cogitate.server.engine.remote.continuation import Continuation
from cogitate.server.engine.remote.early_stop import Doubt, doubt, unsure
from cogitate.server.engine.remote.errors import Lost
from cogitate.server.engine.remote.load_balancer import Home, Replicas
from cogitate.server.engine.remote.parse import aborted, completed, several
from cogitate.server.engine.remote.replica import Ask
from cogitate.server.engine.remote.reply import Reply
from cogitate.server.engine.remote.request_body import Asking
from cogitate.server.engine.remote.response import presented
from cogitate.server.engine.remote.response_limit import of_samples
from cogitate.server.engine.remote.stream_parser import Assembly
from cogitate.server.engine.remote.validate import mapping
from cogitate.server.errors import Unsupported
from cogitate.server.protocol.chat import AnyRequest
from cogitate.strategies.core.ports import OnAbort, OnText
from cogitate.strategies.core.types import Completion, Prompt, Sampling
from cogitate.strategies.thinking.thought import CLOSE, OPEN, within


@dataclass(slots=True)
class RemoteConversation:
    request: AnyRequest
    replicas: Replicas
    home: Home
    asking: Asking
    continuation: Continuation
    prompt_tokens: int = 0
    """0 where the upstream was not asked."""
    joints: Joints | None = field(init=False)
    """None where each decode has a call of its own: who reads along sees each sample as it ends."""

    def __post_init__(self) -> None:
        self.joints = Joints(self._several) if self.asking.dialect.joins and not self.request.stream else None

    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, on_text: OnText | None = None, on_abort: OnAbort | None = None
    ) -> Completion:
        stream = on_text is not None or sampling.partial or sampling.floor is not None
        received = Received(sampling, on_text)

        async def read(reply: Reply) -> Completion:
            body = await (received.read(reply) if stream else reply.json())
            return unsure(received.assembly, prompt, sampling) if received.unsure else completed(body, prompt, sampling)

        try:
            if self.joints and not stream and (joined := await self.joints.decode(prompt, sampling)):
                return joined
            ask = await self._ask(prompt, sampling, stream=stream)
            if on_text is None:
                made = await self.replicas.answer(ask, self.home, read)
            else:
                async with await self.replicas.open(ask, self.home) as reply:
                    made = await read(reply)
            return made if received.unsure else await self._tagged(made, sampling)
        except asyncio.CancelledError:
            if on_abort:
                on_abort(received.aborted(prompt, sampling))
            raise

    async def _several(self, prompt: Prompt, sampling: Sampling, n: int) -> Made:
        async def read(reply: Reply) -> Made:
            return several(await reply.json(), n, prompt, sampling)

        return await self.replicas.answer(await self._ask(prompt, sampling, n=n), self.home, read)

    async def _tagged(self, made: Completion, sampling: Sampling) -> Completion:
        """With what its tokens tell of the model's tags."""
        if sampling.until is None:
            return made
        opens, closes = [[await self.continuation.tag(tag)] for tag in (OPEN, CLOSE)]
        ended = mapping(made.native).get("stop_reason")
        tagged = ended is not None and ended == await self.continuation.tag(sampling.until)
        by = sampling.until if tagged else made.stopped_by
        return replace(made, stopped_by=by, thinking=within(await self.continuation.tokens(made.path), opens, closes))

    async def present(self, completions: Sequence[Completion]) -> Body:
        return presented(self.request, completions)

    async def _ask(self, prompt: Prompt, sampling: Sampling, *, stream: bool = False, n: int = 1) -> Ask:
        until, most = self.replicas.until(), of_samples(sampling, n, self.asking.dialect.longest)
        if prompt.pieces or sampling.stop or sampling.until:
            if not self.asking.dialect.continues:
                raise Unsupported("The upstream does not go on from partial answers.", param="strategy")
            ids = await self.continuation.tokens(prompt)
            tag = await self.continuation.tag(sampling.until) if sampling.until else None
            return Ask(
                "completions", self.asking.completion(ids, sampling, stream=stream, n=n, tag=tag), until, stream, most
            )
        if prompt.raw is not None:
            raw = list(prompt.raw) if isinstance(prompt.raw, tuple) else prompt.raw
            return Ask("completions", self.asking.completion(raw, sampling, stream=stream, n=n), until, stream, most)
        return Ask("chat/completions", self.asking.chat(prompt, sampling, stream=stream, n=n), until, stream, most)


@dataclass(slots=True)
class Received:
    """What has come of a stream: told as it comes where somebody listens, else kept unread."""

    sampling: Sampling
    on_text: OnText | None
    assembly: Assembly = field(default_factory=Assembly)
    doubt: Doubt | None = None
    _kept: bytearray | None = None

    async def read(self, reply: Reply) -> Body:
        """The whole of it, or what was enough to leave it. Raises Lost where it ends before its end."""
        self.assembly, self.doubt = Assembly(), doubt(self.sampling)
        if self.on_text is None and self.doubt is None:
            self._kept = bytearray()
            while piece := await reply.piece():
                self._kept += piece
            self._take_kept()
        else:
            await self._heard(reply)
        if not (self.assembly.ended or self.unsure):
            raise Lost("ended its stream before the answer was complete")
        return self.assembly.body()

    @property
    def unsure(self) -> bool:
        """It was left where it fell below its floor."""
        return self.doubt is not None and self.doubt.fallen

    async def _heard(self, reply: Reply) -> None:
        lines = events.Lines()
        while not self.unsure and (piece := await reply.piece()):
            for payload in lines.cut(piece):
                for speech in self.assembly.add(payload):
                    if self.on_text:
                        self.on_text(speech)
                if self.doubt and self.doubt.falls(self.assembly):
                    return

    def aborted(self, prompt: Prompt, sampling: Sampling) -> Completion:
        """What there was at the abort."""
        try:
            self._take_kept()
        except Lost:
            return Completion(prompt=prompt, text="", finish="abort", counted=False)
        return aborted(self.assembly.body(), prompt, sampling)

    def _take_kept(self) -> None:
        kept, self._kept = self._kept, None
        for payload in events.whole(bytes(kept or b"")):
            self.assembly.add(payload)
