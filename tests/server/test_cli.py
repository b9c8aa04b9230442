"""Flags of `cogitate serve`: groups, old names, environment variables."""

import os
import re
import subprocess
import sys

import pytest

from cogitate.server.cli import build_parser, build_settings
from cogitate.server.flags.groups import GROUPS
from cogitate.server.flags.names import ENVIRONMENT_ONLY
from cogitate.server.settings import Settings

PORT = ("--port", "0")
HIDDEN = {"model", *ENVIRONMENT_ONLY}


def serve(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cogitate.server", "serve", *words],
        env={"PATH": os.environ["PATH"], **environment},  # noqa: TID251  a test run has no settings
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_every_setting_belongs_to_one_group_of_flags():
    grouped = [name for group in GROUPS for name in group.model_fields]
    assert sorted(grouped) == sorted(Settings.model_fields)


def test_help_shows_every_setting_in_its_group_with_a_description(capsys):
    with pytest.raises(SystemExit) as exit_info:
        build_parser().parse_args(["serve", "--help"])
    text = capsys.readouterr().out
    assert exit_info.value.code == 0
    for group in GROUPS:
        section = text.partition(f"\n{group.__doc__}:\n")[2].partition("\n\n")[0]
        flags = {name.replace("_", "-") for name in group.model_fields} - {"model", "upstream-api-key"}
        assert set(re.findall(r"^  --([a-z-]+)", section, re.MULTILINE)) == flags
    assert not [name for name, field in Settings.model_fields.items() if not field.description]
    assert {"upstream_api_key"} == ENVIRONMENT_ONLY and "api-key " not in text


@pytest.mark.parametrize("flag", ["--cache-bytes", "--kept-bytes"])
def test_cache_bytes_has_a_hidden_old_flag(flag):
    given = build_parser().parse_args(["serve", flag, "4096"])
    assert build_settings(given).cache_bytes == 4096


def test_cache_bytes_has_an_old_environment_variable():
    wrong = serve(*PORT, COGITATE_KEPT_BYTES="7")
    assert wrong.returncode == 2 and wrong.stderr.startswith("cogitate: --cache-bytes: ")
    new_name_wins = serve(*PORT, COGITATE_KEPT_BYTES="7", COGITATE_CACHE_BYTES="4096", COGITATE_ENGINE="openai")
    assert "--engine openai needs --upstream" in new_name_wins.stderr
    flag_wins = serve(*PORT, "--cache-bytes", "4096", "--engine", "openai", COGITATE_KEPT_BYTES="7")
    assert "--engine openai needs --upstream" in flag_wins.stderr


def cogitate(*words: str) -> str:
    command = [sys.executable, "-m", "cogitate.server", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def complete_in_bash(script: str, *words: str) -> list[str]:
    """Return what bash offers for the last word, in a shell that has read the script."""
    line = f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _shtab_cogitate; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(["bash", "-c", f"{script}\n{line}"], capture_output=True, text=True, timeout=20, check=True)
    return done.stdout.split()


def test_bash_completes_commands_flags_and_choices():
    script = cogitate("completion", "bash")
    assert set(complete_in_bash(script, "cogitate", "''")) >= {"serve", "eval", "keys", "completion"}
    assert complete_in_bash(script, "cogitate", "serve", "--metrics-p") == ["--metrics-port"]
    assert set(complete_in_bash(script, "cogitate", "serve", "--log-level", "''")) == {
        "debug",
        "info",
        "warning",
        "error",
    }


@pytest.mark.parametrize(("shell", "start"), [("zsh", "#compdef cogitate"), ("fish", "complete -c cogitate")])
def test_other_shells_have_a_script_with_every_flag(shell, start):
    script = cogitate("completion", shell)
    names = [name.replace("_", "-") for group in GROUPS for name in group.model_fields if name not in HIDDEN]
    assert start in script and [name for name in names if name not in script] == []


def test_misspelt_environment_variable_is_an_error_with_a_suggestion():
    wrong = serve(*PORT, COGITATE_CACHE_BYTE="4096")
    assert wrong.returncode == 2 and "did you mean COGITATE_CACHE_BYTES?" in wrong.stderr
