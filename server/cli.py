"""The command `cogitate`: serve, eval, keys."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args, get_origin

import uvloop
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from cogitate.server.auth.keys import InvalidKeysFile, create_key
from cogitate.server.engine.vllm.cpu_build import hide_broken_packages
from cogitate.server.evaluation import flags as eval_flags
from cogitate.server.flags import GROUPS
from cogitate.server.settings import ENVIRONMENT_ONLY, OLD_NAMES, Settings, keys_file

# Before anything imports transformers. Spawned engine processes import this module too.
hide_broken_packages()

DESCRIPTION = "An OpenAI-compatible server around vLLM with inference-time reasoning strategies, chosen per request."
SERVE_DESCRIPTION = """\
Serves MODEL on an OpenAI-compatible API. Without MODEL it serves a small demo model, which is installed with the
package.

Choose a strategy per request:
  body        "strategy": "self_consistency"      or  {"name": "self_consistency", "n": 16}
  model name  "model": "NAME@self_consistency"    for clients that can only set the model
GET /v1/strategies lists them with their options. Every flag is also an environment variable, COGITATE_<FLAG>.
"""
SERVE_EXAMPLES = """\
examples:
  cogitate serve
  cogitate serve Qwen/Qwen3-8B --engine-args '{"max_model_len": 16384, "tensor_parallel_size": 2}'
  cogitate serve --engine openai --upstream http://10.0.0.1:8000/v1 --upstream http://10.0.0.2:8000/v1
  cogitate serve ./model --redis-url redis://127.0.0.1:6379/0 --reward-model Qwen/Qwen2.5-Math-PRM-7B
"""
METAVARS: dict[object, str] = {int: "N", float: "SECONDS", Path: "FILE", dict: "JSON"}


class Parser(argparse.ArgumentParser):
    """An argument parser that reports a wrong flag in one line."""

    def error(self, message: str) -> NoReturn:
        exit_with_error(f"{message} (see `{self.prog} --help`)", 2)


def exit_with_error(reason: str, code: int = 1) -> NoReturn:
    """Ends the process with one line on stderr."""
    sys.stderr.write(f"cogitate: {' '.join(reason.split())}\n")
    sys.exit(code)


def build_parser() -> Parser:
    """Builds the parser of the whole command line."""
    parser = Parser(prog="cogitate", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"cogitate {version('cogitate')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    raw = argparse.RawDescriptionHelpFormatter
    serve = commands.add_parser(
        "serve", help="serve a model", description=SERVE_DESCRIPTION, epilog=SERVE_EXAMPLES, formatter_class=raw
    )
    add_serve_flags(serve)
    evaluation = commands.add_parser(
        "eval",
        help="measure accuracy and cost of strategies on a task",
        description=eval_flags.DESCRIPTION,
        epilog=eval_flags.EXAMPLES,
        formatter_class=raw,
    )
    eval_flags.add_flags(evaluation)
    keys = commands.add_parser("keys", help="create API keys").add_subparsers(dest="action", required=True)
    new = keys.add_parser("new", help="create a key, print it once, and store its digest")
    new.add_argument("tenant", metavar="TENANT", help="whose key it is: one word; caches are never shared by tenants")
    new.add_argument(
        "--api-keys-file",
        type=Path,
        required=keys_file() is None,
        default=keys_file(),
        help="file to append the key's digest to; created if missing",
    )
    return parser


def add_serve_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `cogitate serve`, in groups. Old names of flags are accepted and not shown."""
    parser.add_argument("model", nargs="?", metavar="MODEL", help=Settings.model_fields["model"].description)
    for settings in GROUPS:
        group = parser.add_argument_group(settings.__doc__)
        for name, field in settings.model_fields.items():
            if name != "model" and name not in ENVIRONMENT_ONLY:
                group.add_argument(
                    f"--{name.replace('_', '-')}", dest=name, help=_describe(field), **_kind(name, field)
                )
    for name, old in OLD_NAMES.items():
        parser.add_argument(f"--{old.replace('_', '-')}", dest=name, help=argparse.SUPPRESS)


def _describe(field: FieldInfo) -> str:
    has_default = field.default not in (None, (), False) and not field.default_factory
    default = f" (default: {field.default})" if has_default else ""
    return f"{field.description}{default}".replace("%", "%%")


def _kind(name: str, field: FieldInfo) -> dict[str, Any]:
    """Returns the arguments of `add_argument` that a field's type decides."""
    if field.annotation is bool:
        return {"action": "store_true", "default": None}
    action = "append" if field.default == () else "store"
    return {"action": action, "metavar": _choose_metavar(name, field.annotation)}


def _choose_metavar(name: str, annotation: object) -> str:
    for kind in (annotation, *get_args(annotation)):
        if get_origin(kind) is Literal:
            return f"{{{','.join(get_args(kind))}}}"
        if metavar := METAVARS.get(get_origin(kind) or kind):
            return metavar
    return name.upper()


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command line. Ends the process with one line on stderr for anything that the user can mend."""
    given = build_parser().parse_args(arguments)
    if given.command == "keys":
        return print_new_key(given.api_keys_file, given.tenant)
    if given.command == "eval":
        return run_eval(given)
    from cogitate.server.launcher import CannotServe, serve

    try:
        uvloop.run(serve(build_settings(given)))
    except CannotServe as error:
        exit_with_error(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


def run_eval(given: argparse.Namespace) -> None:
    from cogitate.server.evaluation.cli import CannotEvaluate, evaluate

    try:
        evaluate(given)
    except CannotEvaluate as error:
        exit_with_error(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


def build_settings(given: argparse.Namespace) -> Settings:
    """Builds the settings from flags and environment. Ends the process with one line where they are invalid."""
    flags = {name: value for name, value in vars(given).items() if value is not None and name != "command"}
    try:
        return Settings(**flags)
    except ValidationError as error:
        first = error.errors()[0]
        name = "-".join(str(part) for part in first["loc"]).replace("_", "-")
        reason = first["msg"].removeprefix("Value error, ")
        exit_with_error(f"--{name}: {reason}" if name else reason, 2)


def print_new_key(path: Path, tenant: str) -> None:
    try:
        sys.stdout.write(create_key(path, tenant) + "\n")
    except (InvalidKeysFile, OSError) as error:
        exit_with_error(str(error))


if __name__ == "__main__":
    main()
