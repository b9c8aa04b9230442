"""The rows about upstreams (U, S4): a scripted upstream that sends their shapes, and the complete server over it."""

import asyncio
import json
from collections.abc import Sequence

from tests.bench.reports.line import Line
from tests.bench.reports.shapes import (
    CALLS,
    DONE,
    FIXED,
    FOUNDRY,
    IN_LINES,
    LISTING,
    ONLY_REASONING,
    RENAMED,
    THOUGHTS,
    USAGE,
    WITH_NULL_LOGPROB,
    WITH_OBJECTS,
    WITH_VERDICTS,
    build_shape,
    end_with,
    refuse,
    set_message,
    stream_calls,
)
from tests.bench.reports.upstream_calls import (
    Find,
    call_with_objects,
    count_seeds,
    judge_with_two_tokens,
    vote_on_reasoning,
    weigh_by_confidence,
)
from tests.fakes.upstream.recorded import Shape
from tests.server.engine.remote.dialects.providers import MODES, ask, find_faults, serve_provider

TEXT_MODES = tuple(mode for mode in MODES if "tools" not in MODES[mode])
TOOL_MODES = tuple(mode for mode in MODES if "tools" in MODES[mode])
ANY_MODE: list[tuple[str, str, str, Shape, tuple[str, ...]]] = [
    ("U1", '"finish_reason":"" twice, then stop', "the answer", build_shape(early=""), tuple(MODES)),
    ("U1", '"finish_reason":"null" twice, then stop', "the answer", build_shape(early="null"), tuple(MODES)),
    (
        "U3",
        f'"content": {json.dumps(THOUGHTS)}',
        "the text, thoughts apart",
        set_message({"content": THOUGHTS}, reasoning="hm"),
        TEXT_MODES,
    ),
    (
        "U4",
        "two deltas with index 0",
        "two calls",
        build_shape(tools_stream=stream_calls(*({"index": 0, **call} for call in CALLS))),
        TOOL_MODES,
    ),
    ("U4", "two deltas without index", "two calls", build_shape(tools_stream=stream_calls(*CALLS)), TOOL_MODES),
    (
        "U4",
        "two deltas with index null",
        "two calls",
        build_shape(tools_stream=stream_calls(*({"index": None, **call} for call in CALLS))),
        TOOL_MODES,
    ),
    (
        "U6",
        '"completion_tokens":null',
        "the answer; usage unknown",
        build_shape(usage={"prompt_tokens": 9, "completion_tokens": None}, uncounted=True),
        tuple(MODES),
    ),
    ("U6", '"usage":{}', "the answer; usage unknown", build_shape(usage={}, uncounted=True), tuple(MODES)),
    (
        "U6",
        '"usage" with cached_tokens 0 alone',
        "the answer; usage unknown",
        build_shape(usage={"prompt_tokens_details": {"cached_tokens": 0}}, uncounted=True),
        tuple(MODES),
    ),
    (
        "U7",
        "9 prompt tokens, 2495 of them cached",
        "the answer",
        build_shape(usage=USAGE | {"prompt_tokens_details": {"cached_tokens": 2495}}),
        tuple(MODES),
    ),
    (
        "U8",
        "max_tokens 50, finish length, 51 tokens",
        "the answer (length)",
        build_shape(finish="length", usage={"prompt_tokens": 9, "completion_tokens": 51}) | {"finish": "length"},
        TEXT_MODES,
    ),
    *(
        ("U9", f'"finish_reason":"{word}"', "as stop", build_shape(finish=word), TEXT_MODES)
        for word in ("eos", "end", "end_turn", "eos_token")
    ),
    ("U11", "data: [DONE] without a newline", "the answer", build_shape(stream=end_with("data: [DONE]")), TEXT_MODES),
    ("U11", "finish_reason, and no [DONE]", "the answer", build_shape(stream=end_with()), TEXT_MODES),
    (
        "U12",
        "one event in many data lines",
        "the event",
        build_shape(stream=[IN_LINES, DONE], uncounted_in_streams=True),
        TEXT_MODES,
    ),
    (
        "U15",
        "422 for stream_options",
        "asked again without it",
        build_shape(refuses=[refuse("stream_options", 422, FOUNDRY)]),
        tuple(MODES),
    ),
    (
        "U16",
        "400 for max_tokens",
        "asked with max_completion_tokens",
        build_shape(refuses=[refuse("max_tokens", 400, {"error": RENAMED})]),
        TEXT_MODES,
    ),
    (
        "U16",
        "400 for any temperature but 1",
        "the model's own",
        build_shape(refuses=[refuse("temperature", 400, {"error": FIXED}, but=1)]),
        tuple(MODES),
    ),
    ("U17", '[{"id":"m","object":"model"}]', "m", build_shape(models=LISTING["data"]), tuple(MODES)),
    (
        "U18",
        '"finish_reason":"content_filter"',
        "200 with content_filter",
        build_shape(finish="content_filter") | {"finish": "content_filter"},
        ("one sample", "one sample, streamed", "vote"),
    ),
]
"""Row, input, what is right, the provider's shape, and the modes in which it is asked."""

CASES: list[tuple[str, str, str, Shape, Find]] = [
    (
        "U5",
        '"arguments":{"city":"Oslo"}',
        "the calls, arguments as text",
        build_shape(tools=WITH_OBJECTS),
        call_with_objects,
    ),
    (
        "U8",
        "a verdict of max_tokens 1 with 2 tokens",
        "failed 0",
        build_shape(**WITH_VERDICTS),
        judge_with_two_tokens,
    ),
    ("U14", '"logprob":null in top_logprobs', "42 without that alternative", WITH_NULL_LOGPROB, weigh_by_confidence),
    (
        "U16",
        "best_of_n with judge, any temperature but 1 refused",
        "failed 0",
        build_shape(**WITH_VERDICTS, refuses=[refuse("temperature", 400, {"error": FIXED}, but=1)]),
        judge_with_two_tokens,
    ),
    (
        "U19",
        '"content":null, all in reasoning_content',
        "42, with a warning",
        set_message(ONLY_REASONING),
        vote_on_reasoning,
    ),
    ("S4", "self_consistency n=8, no seed", "8 different seeds", build_shape(), count_seeds),
]


async def run_modes(row: str, shown: str, right: str, shape: Shape, modes: Sequence[str]) -> Line:
    async with serve_provider(shape) as (client, _):
        faults = {mode: find_faults(shape, mode, await ask(client, mode)) for mode in modes}
    bad = [f"{mode}: {found[0]}" for mode, found in faults.items() if found]
    now = f"{right}, in {len(modes)} modes" if not bad else f"wrong in {len(bad)} of {len(modes)} modes: {bad[0]}"
    return Line(row, shown, right, now, not bad)


def run_upstreams() -> list[Line]:
    async def run_all() -> list[Line]:
        lines = [await run_modes(*case) for case in ANY_MODE]
        return lines + [await run_case(*case) for case in CASES]

    return asyncio.run(run_all())


async def run_case(row: str, shown: str, right: str, shape: Shape, find: Find) -> Line:
    async with serve_provider(shape) as (client, upstream):
        upstream.bodies.clear()
        return Line(row, shown, right, *await find(client, upstream))
