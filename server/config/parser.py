"""The parser of `cogitate serve`, generated from the settings.

Not pydantic-settings' own command line (2.16, CliSettingsSource): it forms groups of nested models only, whose flags
would be `--http.port`; it reports an error in several lines; and it, like argparse, takes the word after a flag that it
does not know for MODEL, where the flag is vLLM's. Its sources of environment, YAML and secrets are used (settings.py).
"""

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args, get_origin

import shtab
from pydantic.fields import FieldInfo

from cogitate.server.config.environment import MIN_CLOSE_RATIO
from cogitate.server.config.vllm_flags import Flag
from cogitate.server.flags.engine import ModelSettings
from cogitate.server.flags.groups import GROUPS
from cogitate.server.flags.names import ENVIRONMENT_ONLY, OLD_NAMES, to_flag

METAVARS: dict[object, str] = {int: "N", float: "SECONDS", Path: "FILE", dict: "JSON"}
NAMED_METAVARS = {
    "code_exec": "{off,bwrap,landlock,remote:SOCKET}",
    "secrets_dir": "DIR",
    "served_model_name": "NAME",
    "upstream": "[NAME=]URL",
    "upstream_abilities": "{none,continue,logprobs,seed,n},...",
}
VARIADIC = frozenset({"served_model_name"})
"""Flags that take several words, as in `vllm serve`."""
FLAGS_OF_VLLM = "vllm_flags"
"""Where the namespace has the flags that are not ours: a list of `Flag`."""
NUMBER = re.compile(r"-\d+$|-\d*\.\d+$")


class Parser(argparse.ArgumentParser):
    """An argument parser that reports a wrong flag in one line."""

    def __init__(self, *, takes_vllm_flags: bool = False, **options: Any) -> None:  # noqa: ANN401 argparse's own
        """`takes_vllm_flags`: flags that it does not know are vLLM's, and are set apart in the namespace."""
        super().__init__(allow_abbrev=not takes_vllm_flags, **options)
        self._takes_vllm_flags = takes_vllm_flags

    def error(self, message: str) -> NoReturn:
        exit_with_error(f"{message} (see `{self.prog} --help`)", 2)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401
        if not self._takes_vllm_flags:
            return super().parse_known_args(args, namespace)
        split = split_words(sys.argv[1:] if args is None else args, self._option_string_actions)
        for name in {flag.name for flag in split.theirs} & {to_flag(name) for name in ENVIRONMENT_ONLY}:
            self.error(f"unrecognized arguments: {name}: all users can read a command line; use {name}-file FILE")
        namespace, unknown = super().parse_known_args([*split.positionals, *split.ours], namespace)
        setattr(namespace, FLAGS_OF_VLLM, split.theirs)
        return namespace, unknown


def exit_with_error(reason: str, code: int = 1) -> NoReturn:
    """End the process with one line on stderr."""
    sys.stderr.write(f"cogitate: {' '.join(reason.split())}\n")
    sys.exit(code)


@dataclass(slots=True)
class SplitWords:
    """A command line, by who reads it."""

    positionals: list[str] = field(default_factory=list)
    ours: list[str] = field(default_factory=list)
    theirs: list[Flag] = field(default_factory=list)


def split_words(words: Sequence[str], known: "dict[str, argparse.Action]") -> SplitWords:
    """Split a command line into positional words, our flags and vLLM's, each with its values.

    A flag that we do not know has all words up to the next flag, so MODEL stands before vLLM's flags. Underscores in
    names are dashes, as in vLLM.
    """
    split, rest = SplitWords(), list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            split.positionals += rest
            break
        if not is_flag(word):
            split.positionals.append(word)
            continue
        typed, equals, value = word.partition("=")
        name = typed.replace("_", "-") if typed.startswith("--") else typed
        action = known.get(name)
        values = [value] if equals else [rest.pop(0) for _ in range(count_values(rest, action))]
        if action is None:
            split.theirs.append(Flag(typed, tuple(values)))
        elif action.dest == "model":
            split.positionals += values
        else:
            split.ours += [f"{name}={value}"] if equals else [name, *values]
    return split


def is_flag(word: str) -> bool:
    return len(word) > 1 and word.startswith("-") and not NUMBER.match(word)


def count_values(words: Sequence[str], action: argparse.Action | None) -> int:
    """Return how many of the words that follow a flag are its values."""
    most = len(words) if action is None or action.nargs in ("+", "*") else 0 if action.nargs == 0 else 1
    return next((index for index, word in enumerate(words[:most]) if is_flag(word)), min(most, len(words)))


def add_serve_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `cogitate serve`, in groups. Old names of flags are accepted and not shown."""
    model = parser.add_argument(
        "model", nargs="?", metavar="MODEL", help=ModelSettings.model_fields["model"].description
    )
    complete_path(model, Path)
    for settings in GROUPS:
        group = parser.add_argument_group(settings.__doc__)
        for name, info in settings.model_fields.items():
            if name != "model" and name not in ENVIRONMENT_ONLY:
                action = group.add_argument(to_flag(name), dest=name, help=_describe(info), **_kind(name, info))
                complete_path(action, info.annotation)
    parser.add_argument("--model", dest="model", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    for name, old in OLD_NAMES.items():
        parser.add_argument(to_flag(old), dest=name, help=argparse.SUPPRESS)


def suggest(word: str, flags: Sequence[str]) -> str:
    """Return "; did you mean FLAG?" for the most similar flag, or nothing."""
    near = get_close_matches(word.partition("=")[0].replace("_", "-"), flags, 1, MIN_CLOSE_RATIO)
    return f"; did you mean {near[0]}?" if near else ""


def complete_path(action: argparse.Action, annotation: object) -> None:
    """Has the shell complete the names of files where a flag takes one."""
    if Path in (annotation, *get_args(annotation)):
        action.complete = shtab.FILE  # type: ignore[attr-defined]


def _describe(info: FieldInfo) -> str:
    default = info.get_default(call_default_factory=True)
    shown = f" (default: {default})" if default not in (None, (), {}) and default is not False else ""
    return f"{info.description}{shown}".replace("%", "%%")


def _kind(name: str, info: FieldInfo) -> dict[str, Any]:
    """Return the arguments of `add_argument` that a field's type decides."""
    if info.annotation is bool:
        return {"action": "store_true", "default": None}
    kinds: dict[str, Any] = {"metavar": NAMED_METAVARS.get(name) or _choose_metavar(name, info.annotation)}
    if name not in NAMED_METAVARS and (choices := find_choices(info.annotation)):
        kinds |= {"choices": choices}
    if name in VARIADIC:
        return kinds | {"action": "extend", "nargs": "+"}
    return kinds | {"action": "append" if info.default == () else "store"}


def find_choices(annotation: object) -> tuple[str, ...]:
    """Return the words that a setting takes, where it takes some only; for a tuple, those of its items."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return next((found for part in get_args(annotation) if (found := find_choices(part))), ())


def _choose_metavar(name: str, annotation: object) -> str:
    if choices := find_choices(annotation):
        return f"{{{','.join(choices)}}}"
    kinds = (annotation, *get_args(annotation))
    return next(
        (METAVARS[get_origin(kind) or kind] for kind in kinds if (get_origin(kind) or kind) in METAVARS), name.upper()
    )
