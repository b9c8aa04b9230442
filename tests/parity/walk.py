"""Walks vLLM's own server and ours over one engine: every path, every field of the request models, every flag."""

import importlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi.routing import APIRoute

from cogitate.server.engine.vllm.frontend_args import BY_LAUNCHER, BY_VLLM, REFUSED, list_frontend_flags
from tests.parity.bodies import KINDS, Kind

SAME = "same"
MESSAGE_CHARACTERS = 30
"""How much of an error's message is compared: the rest may name a limit or a field in other words."""
OURS = {"previous_response_id": "from this server's store of responses, which is divided by tenant"}
"""Fields that vLLM's own handlers do not get."""
CHANGING = frozenset(
    {"id", "created", "created_at", "completed_at", "item_id", "response_id", "request_id", "call_id"}
    | {"system_fingerprint", "cached_tokens", "cache_write_tokens"}
)
"""Fields with ids and times, and of the prefix cache, which has the second of two equal prompts."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing of vLLM's and how it is with ours."""

    name: str
    verdict: str
    """`same`, or what differs and why."""
    with_keys: str = SAME
    """The same where API keys divide users."""


def normalise(text: str) -> object:
    """Return a response, a JSON body or a stream of them, without the fields that differ between any two."""
    if text.startswith("{"):
        return drop_changing(json.loads(text))
    lines = [line.partition(": ") for line in text.splitlines()]
    return [[name, drop_changing(json.loads(data)) if data.startswith("{") else data] for name, _, data in lines]


def drop_changing(value: object) -> object:
    if isinstance(value, dict):
        return {name: drop_changing(item) for name, item in value.items() if name not in CHANGING}
    return [drop_changing(item) for item in value] if isinstance(value, list) else value


def list_operations(app: FastAPI) -> list[tuple[str, str, APIRoute]]:
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    return sorted((route.path, method, route) for route in routes for method in route.methods)


def name_endpoint(route: APIRoute) -> tuple[str, str]:
    return route.endpoint.__module__, route.endpoint.__qualname__


def list_fields(kind: Kind) -> list[str]:
    module, _, name = kind.model.rpartition(".")
    return list(getattr(importlib.import_module(module), name).model_fields)


def walk_flags() -> Iterator[Row]:
    """Yield a row for each flag of vLLM's API server or refused; raises KeyError for one that no table has."""
    for flag in sorted({*list_frontend_flags(), *REFUSED}):
        shown = f"--{flag.replace('_', '-')}"
        if flag in BY_VLLM:
            yield Row(shown, SAME)
        elif flag in BY_LAUNCHER:
            yield Row(shown, f"by our launcher: {BY_LAUNCHER[flag]}")
        else:
            yield Row(shown, f"refused by name: {REFUSED[flag]}")


async def walk_paths(
    client: httpx.AsyncClient, keyed: str, key: str, apps: tuple[FastAPI, FastAPI], passed_on: Mapping[str, str]
) -> list[Row]:
    """Return a row for each operation of vLLM's route table; asks each of the server with keys, at `keyed`.

    `apps`: vLLM's and ours. `passed_on`: the paths of ours that pass on a body without a strategy, and why the others
    are ours.
    """
    vllms, ours = apps
    rows = []
    own = {(path, method): route for path, method, route in list_operations(ours)}
    for path, method, route in list_operations(vllms):
        other = own.get((path, method))
        if other is None:
            verdict = "MISSING"
        elif name_endpoint(other) == name_endpoint(route):
            verdict = SAME
        else:
            verdict = passed_on.get(path, "DIFFERENT")
        url = keyed + re.sub(r"\{[^}]*\}", "x", path)
        content = {"json": {}} if method == "POST" else {}
        response = await client.request(method, url, headers={"authorization": f"Bearer {key}"}, **content)
        is_refused = response.status_code == 403 and "no limits by API key" in response.text
        rows.append(Row(f"{method} {path}", verdict, "refused: it has no limits by key" if is_refused else SAME))
    return rows


async def compare(client: httpx.AsyncClient, urls: tuple[str, str], kind: Kind, body: Mapping[str, Any]) -> str:
    """Return `same` where both servers answer a body alike, otherwise what differs."""
    answers = [await client.post(url + kind.path, json=body) for url in urls]
    texts = [normalise(answer.text) for answer in answers]
    if answers[0].status_code != answers[1].status_code:
        return f"DIFFERENT: status {answers[0].status_code}, and vLLM's {answers[1].status_code}: {texts}"
    if answers[0].status_code >= 400:
        ours, vllms = (answer.json()["error"]["message"][:MESSAGE_CHARACTERS] for answer in answers)
        return SAME if ours == vllms else f"DIFFERENT: {ours}, and vLLM's {vllms}"
    return SAME if texts[0] == texts[1] else f"DIFFERENT: {texts[0]} and vLLM's {texts[1]}"


async def walk_fields(client: httpx.AsyncClient, urls: tuple[str, str], keyed: str, key: str) -> list[tuple[Kind, Row]]:
    """Compare ours with vLLM's field by field, and then the server with keys. `keyed`: its URL."""
    rows = []
    for kind in KINDS:
        for field in list_fields(kind):
            body = kind.build(field)
            verdict = OURS.get(field) or await compare(client, urls, kind, body)
            # The field is refused before a limit that is wrong, so that no answer takes the engine's time twice.
            wrong = body | {"max_output_tokens" if kind.path == "/v1/responses" else "max_tokens": -1}
            response = await client.post(keyed + kind.path, json=wrong, headers={"authorization": f"Bearer {key}"})
            refusal = response.status_code == 400 and "--allow-field" in response.text
            rows.append((kind, Row(field, verdict, "refused by name, unless --allow-field" if refusal else SAME)))
    return rows
