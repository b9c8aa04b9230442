"""Reads `--upstream [NAME=]URL`, and which API key each upstream gets."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from cogitate.server.config.environment import PREFIX

NAME = re.compile(r"[^\s@,=]{1,256}")
KEYS_ERROR = "COGITATE_UPSTREAM_API_KEY must have one key, or one for each --upstream, or NAME=KEY for each name"


def split_name(upstream: str) -> tuple[str, str]:
    """Return the name, empty where there is none, and the URL. Raises ValueError for a name that cannot be one."""
    name, equals, url = upstream.partition("=")
    if not equals or "://" in name:
        return "", upstream
    if not NAME.fullmatch(name):
        raise ValueError("the NAME of NAME=URL must have 1 to 256 characters without spaces, @ and commas")
    return name, url


def group_by_name(upstreams: Sequence[str]) -> Mapping[str, tuple[int, ...]]:
    """Return the positions of the upstreams of each name, which are replicas of one model. Raises ValueError."""
    groups: dict[str, tuple[int, ...]] = {}
    for at, upstream in enumerate(upstreams):
        name, _ = split_name(upstream)
        groups[name] = (*groups.get(name, ()), at)
    if "" in groups and len(groups) > 1:
        raise ValueError("give every --upstream a name, as NAME=URL, or none of them")
    return groups


def check_names(upstreams: Sequence[str], *, beside_own: bool, model: str | None, names: Sequence[str]) -> None:
    """Check that the names fit the other flags. `beside_own`: a model runs in this process. Raises ValueError."""
    groups = group_by_name(upstreams)
    if beside_own and "" in groups:
        raise ValueError("--upstream URL needs --engine openai; with a model in this process, give it as NAME=URL")
    if taken := set(groups).intersection(names) if beside_own else None:
        raise ValueError(f"--upstream {min(taken)}=URL has the name of the model in this process: choose another")
    if not beside_own and len(groups) > 1 and (model or names):
        raise ValueError("MODEL and --served-model-name name one model, and --upstream several: leave them out")
    if not beside_own and names and "" not in groups and names[0] not in groups:
        raise ValueError("--served-model-name differs from the NAME of --upstream: leave one of them out")


def fill_api_key(values: dict[str, Any]) -> dict[str, Any]:
    """Return the settings, with the content of `upstream_api_key_file` as `upstream_api_key`.

    Raises ValueError where both are given, or the file cannot be read.
    """
    path = values.get("upstream_api_key_file")
    if not path:
        return values
    if values.get("upstream_api_key"):
        raise ValueError(f"{PREFIX}UPSTREAM_API_KEY and --upstream-api-key-file are both given; keep one")
    try:
        return values | {"upstream_api_key": Path(path).expanduser().read_text().strip()}
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ValueError(f"--upstream-api-key-file {path}: {reason}") from None


def assign_keys(listed: str, upstreams: Sequence[str]) -> tuple[SecretStr | None, ...]:
    """Return the API key of each upstream, in order. `listed`: one key, one for each, or NAME=KEY for names.

    Raises ValueError for a wrong number of keys.
    """
    names = [split_name(upstream)[0] for upstream in upstreams]
    parts = [part.strip() for part in listed.split(",")]
    named = {name: key for name, equals, key in (part.partition("=") for part in parts) if equals and name in names}
    if named and len(named) == len(parts):
        return tuple(SecretStr(named[name]) if named.get(name) else None for name in names)
    keys = [SecretStr(part) if part else None for part in parts]
    if any(names) and any(re.fullmatch(r"[^=]+=.*[^=].*", part) for part in parts):
        raise ValueError(KEYS_ERROR)  # a misspelt NAME=KEY would give the key to every upstream
    if named or len(keys) not in (1, len(upstreams)):
        raise ValueError(KEYS_ERROR)
    return tuple(keys * len(upstreams) if len(keys) == 1 else keys)
