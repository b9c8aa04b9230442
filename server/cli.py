"""The command `cogitate`: settings -> adapters -> uvicorn."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import uvloop
from pydantic import ValidationError

from cogitate.server.auth.keys import InvalidKeysFile, create_key
from cogitate.server.engine.vllm.cpu_build import hide_broken_packages
from cogitate.server.evaluation import flags
from cogitate.server.settings import ENVIRONMENT_ONLY, Settings, keys_file

# Before anything imports transformers: spawned engine processes import this module too.
hide_broken_packages()

DESCRIPTION = "Better answers per token: an OpenAI-compatible server that reasons at inference time, around vLLM."
SERVE = """\
Serves MODEL on an OpenAI-compatible API. Without MODEL it serves a small demo model that comes as a package.

Choose a strategy per request:
  body        "strategy": "self_consistency"      or  {"name": "self_consistency", "n": 16}
  model name  "model": "NAME@self_consistency"    for clients that can only set the model
GET /v1/strategies lists them with their options. Every flag is also an environment variable, COGITATE_<FLAG>.
"""
EXAMPLES = """\
examples:
  cogitate serve
  cogitate serve Qwen/Qwen3-8B --engine-args '{"max_model_len": 16384, "tensor_parallel_size": 2}'
  cogitate serve --engine openai --upstream http://10.0.0.1:8000/v1 --upstream http://10.0.0.2:8000/v1
  cogitate serve ./model --redis-url redis://127.0.0.1:6379/0 --reward-model Qwen/Qwen2.5-Math-PRM-7B
"""


class Parser(argparse.ArgumentParser):
    """Answers a wrong flag with one line."""

    def error(self, message: str) -> NoReturn:
        fail(f"{message} (see `{self.prog} --help`)", 2)


def fail(reason: str, code: int = 1) -> NoReturn:
    """One clear line, and a non-zero exit."""
    sys.stderr.write(f"cogitate: {' '.join(reason.split())}\n")
    sys.exit(code)


def parser() -> Parser:
    top = Parser(prog="cogitate", description=DESCRIPTION)
    top.add_argument("--version", action="version", version=f"cogitate {version('cogitate')}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    raw = argparse.RawDescriptionHelpFormatter
    serve = commands.add_parser("serve", help="serve a model", description=SERVE, epilog=EXAMPLES, formatter_class=raw)
    serve.add_argument("model", nargs="?", metavar="MODEL", help=Settings.model_fields["model"].description)
    for name, field in Settings.model_fields.items():
        if name != "model" and name not in ENVIRONMENT_ONLY:
            default = (
                "" if field.is_required() or field.default in (None, ..., (), False) else f" (default: {field.default})"
            )
            words = f"{field.description}{default}".replace("%", "%%")
            kind: dict[str, Any] = {"action": "append" if field.default == () else "store", "metavar": name.upper()}
            if field.annotation is bool:
                kind = {"action": "store_true", "default": None}
            serve.add_argument(f"--{name.replace('_', '-')}", dest=name, help=words, **kind)
    evaluation = commands.add_parser(
        "eval",
        help="accuracy against cost on a task",
        description=flags.DESCRIPTION,
        epilog=flags.EXAMPLES,
        formatter_class=raw,
    )
    flags.add_flags(evaluation)
    keys = commands.add_parser("keys", help="make API keys").add_subparsers(dest="action", required=True)
    new = keys.add_parser("new", help="make a key, print it once, store its digest")
    new.add_argument("tenant", metavar="TENANT")
    new.add_argument("--api-keys-file", type=Path, required=keys_file() is None, default=keys_file())
    return top


def main(arguments: Sequence[str] | None = None) -> None:
    given = parser().parse_args(arguments)
    if given.command == "keys":
        return make_key(given.api_keys_file, given.tenant)
    if given.command == "eval":
        return measure(given)
    from cogitate.server.launcher import CannotServe, serve

    try:
        uvloop.run(serve(settings_of(given)))
    except CannotServe as error:
        fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


def measure(given: argparse.Namespace) -> None:
    from cogitate.server.evaluation.cli import CannotEvaluate, evaluate

    try:
        evaluate(given)
    except CannotEvaluate as error:
        fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


def settings_of(given: argparse.Namespace) -> Settings:
    """Flags first, then the environment. Ends the process with one line where they cannot be used."""
    flags = {name: value for name, value in vars(given).items() if value is not None and name != "command"}
    try:
        return Settings(**flags)
    except ValidationError as error:
        first = error.errors()[0]
        name = "-".join(str(part) for part in first["loc"]).replace("_", "-")
        fail(f"--{name}: {first['msg'].removeprefix('Value error, ')}" if name else first["msg"][13:], 2)


def make_key(path: Path, tenant: str) -> None:
    try:
        sys.stdout.write(create_key(path, tenant) + "\n")
    except (InvalidKeysFile, OSError) as error:
        fail(str(error))


if __name__ == "__main__":
    main()
