"""Recorded response shapes by provider, and what this server makes of each: plain, streamed, voted and with tools.

The shapes in `providers.json` were written after the providers' documentation and the bug reports of their users. Every
provider says the same: `The answer is \\boxed{42}.`, or calls one tool twice.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx

from cogitate.server.app import create_app
from cogitate.server.cache import MemoryCache
from cogitate.server.engine.remote import RemoteBackend, UpstreamConfig
from cogitate.server.observability.metrics import Metrics
from cogitate.server.serving.service import Service
from cogitate.server.settings import Settings
from cogitate.strategies.core.scripted import ScriptedProver
from tests.fakes.upstream.recorded import RecordedUpstream, Shape
from tests.fakes.vllm_reference import listen

PROVIDERS: list[Shape] = json.loads(Path(__file__).with_name("providers.json").read_text())
TEXT = "The answer is \\boxed{42}."
CALLS = [("weather", {"city": "Oslo"}), ("weather", {"city": "Rome"})]
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
SAMPLES = 3
VOTE = {"name": "self_consistency", "n": SAMPLES, "stop_rule": "none"}
EARLY_VOTE = {"name": "self_consistency", "n": SAMPLES}
MODES: dict[str, dict[str, Any]] = {
    "plain": {},
    "plain, streamed": {"stream": True},
    "one sample": {"strategy": "chain_of_thought"},
    "one sample, streamed": {"strategy": "chain_of_thought", "stream": True},
    "vote": {"strategy": VOTE},
    "vote over streams": {"strategy": EARLY_VOTE},
    "vote, streamed": {"strategy": VOTE, "stream": True},
    "tools": {"tools": [TOOL]},
    "tools, streamed": {"tools": [TOOL], "stream": True},
    "tools, one sample": {"tools": [TOOL], "strategy": "chain_of_thought"},
    "tools, one sample, streamed": {"tools": [TOOL], "strategy": "chain_of_thought", "stream": True},
    "tools, vote": {"tools": [TOOL], "strategy": VOTE},
    "tools, vote over streams": {"tools": [TOOL], "strategy": EARLY_VOTE},
}


@contextlib.asynccontextmanager
async def serve_provider(
    shape: Shape, kind: type[RecordedUpstream] = RecordedUpstream
) -> AsyncIterator[tuple[httpx.AsyncClient, RecordedUpstream]]:
    """The complete server over a provider's shapes; its abilities are probed."""
    async with kind(shape) as upstream:
        backend = RemoteBackend([UpstreamConfig(upstream.url)], shape.get("model"), "m")
        await backend.open()
        service = Service(backend, MemoryCache(ttl=60), ScriptedProver(), Settings(), Metrics())
        ready = asyncio.Event()
        async with listen(create_app(service, on_ready=ready.set)) as url:
            await ready.wait()
            async with httpx.AsyncClient(base_url=url, timeout=10) as client:
                yield client, upstream
        await backend.close()


async def ask(client: httpx.AsyncClient, mode: str) -> httpx.Response:
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "What is 6*7?"}],
        "max_tokens": 50,
        "cache": "no-store",
    }
    return await client.post("/v1/chat/completions", json=body | MODES[mode])


def find_faults(shape: Shape, mode: str, answer: httpx.Response) -> list[str]:
    """Return what is wrong with an answer; empty where it is right."""
    if answer.status_code != 200:
        return [f"{answer.status_code}: {answer.text[:200]}"]
    fields = MODES[mode]
    if "strategy" not in fields:
        is_error = '"error"' in answer.text or (fields.get("stream", False) and "[DONE]" not in answer.text)
        return [answer.text[-200:]] if is_error else check_plain(fields, answer)
    body = assemble(answer.text) if fields.get("stream") else answer.json()
    return check_answer(shape, mode, body) if isinstance(body, dict) else [str(body)]


def check_plain(fields: dict[str, Any], answer: httpx.Response) -> list[str]:
    """A plain answer comes as the provider sent it, so that only its texts can be looked for."""
    wanted = ["Oslo", "Rome"] if "tools" in fields else ["The answer is ", "boxed{42}."]
    return [f"{text} is missing" for text in wanted if text not in answer.text]


def assemble(stream: str) -> Shape | str:
    """Return a stream's answer as a body; the text of its error where it has one."""
    message: Shape = {"content": "", "reasoning_content": "", "tool_calls": []}
    body: Shape = {"choices": [{"message": message, "finish_reason": None}]}
    if not stream.endswith("data: [DONE]\n\n"):
        return stream[-200:]
    for event in stream.split("\n\n"):
        if not event.startswith("data: {"):
            continue
        chunk = json.loads(event[6:])
        for choice in chunk["choices"]:
            for name in message:
                message[name] += choice["delta"].get(name) or type(message[name])()
            body["choices"][0]["finish_reason"] = choice["finish_reason"]
        body |= {name: chunk[name] for name in ("usage", "cogitate") if name in chunk}
    return body


def check_answer(shape: Shape, mode: str, body: Shape) -> list[str]:
    """Compare text, finish reason, tool calls, thoughts and bill of a strategy's answer with what the provider said."""
    (choice,), cogitate = body["choices"], body["cogitate"]
    message, with_tools = choice["message"], "tools" in MODES[mode]
    calls = [
        (call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in message.get("tool_calls") or ()
    ]
    finish = "tool_calls" if with_tools else shape.get("finish", "stop")
    candidates = cogitate["candidates"]
    is_streamed = "over streams" in mode or "one sample" in mode
    is_uncounted = shape.get("uncounted") or (is_streamed and shape.get("uncounted_in_streams"))
    content = message.get("content") or ""
    checks: dict[str, Callable[[], bool]] = {
        "content": lambda: content == ("" if with_tools else TEXT),
        "calls": lambda: calls == (CALLS if with_tools else []),
        "finish_reason": lambda: choice["finish_reason"] == finish,
        "answer": lambda: with_tools or "vote" not in mode or cogitate["answer"] == "42",
        "reasoning": lambda: (
            with_tools or shape.get("only_reasoning", False) or find_reasoning(message) == shape.get("reasoning", "")
        ),
        "uncounted": lambda: 0 <= cogitate["uncounted"] - (candidates if is_uncounted else 0) <= cogitate["aborted"],
        "usage": lambda: "usage" not in body or (body["usage"]["completion_tokens"] > 0) or bool(is_uncounted),
        "failed": lambda: cogitate["failed"] == 0,
        "warnings": lambda: with_tools or bool(cogitate.get("warnings")) == shape.get("only_reasoning", False),
    }
    return [f"{name}: {choice} {cogitate}" for name, is_right in checks.items() if not is_right()]


def find_reasoning(message: Shape) -> str:
    return message.get("reasoning_content") or message.get("reasoning") or ""
