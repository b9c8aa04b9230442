"""Every setting by flag, environment variable and file; the order of sources; secrets; errors that name the source."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cogitate.server.flags.groups import GROUPS
from cogitate.server.flags.names import ENVIRONMENT_ONLY, to_flag
from cogitate.server.settings import Settings

SHOW = """
import sys
from pydantic import SecretStr
from cogitate.server.cli import build_parser, build_settings
settings = build_settings(build_parser().parse_args(["serve", *sys.argv[1:]]))
for name in type(settings).model_fields:
    value = getattr(settings, name)
    value = sorted(value) if isinstance(value, frozenset) else value
    print(name, repr(value.get_secret_value() if isinstance(value, SecretStr) else value), sep="=")
"""
LOCAL = {
    "model": "m",
    "engine": "vllm",
    "served_model_name": ["a", "b"],
    "engine_args": {"seed": 1, "lora_modules": ["a=/b"]},
    "presets": {"careful": {"name": "self_consistency", "n": 32}},
    "reward_model": "prm",
    "reward_format": "qwen",
    "reward_engine_args": {"seed": 2},
    "stall_seconds": 31.5,
    "host": "0.0.0.0",
    "port": 8001,
    "max_body_bytes": 4096,
    "receive_seconds": 5.0,
    "send_seconds": 6.0,
    "linger_seconds": 7.0,
    "drain_seconds": 8.0,
    "metrics_port": 9001,
    "api_keys_file": "/keys",
    "allow_field": ["cache_salt", "chat_template"],
    "max_concurrent_requests": 9,
    "max_generations": 10,
    "max_waiting_generations": 11,
    "max_cost": 12,
    "redis_url": "redis://h:6379/0",
    "redis_password_file": "/password",
    "cache_secret_file": "/secret",
    "cache_ttl": 13,
    "cache_bytes": 14000,
    "code_exec": "bwrap",
    "engine_log": "/log",
    "log_level": "debug",
    "log_format": "json",
}
REMOTE = {
    "engine": "openai",
    "upstream": ["http://a/v1", "http://b/v1"],
    "upstream_timeout": 15.0,
    "upstream_idle_timeout": 16.0,
    "upstream_connect_timeout": 17.0,
    "upstream_abilities": ["logprobs", "seed"],
    "workers": 2,
    "redis_url": "redis://cache:6379/1",
    "host": "localhost",
    "allowed_host": ["c", "d"],
    "insecure_no_auth": True,
}
FROM_FILES = {"config", "secrets_dir", "upstream_api_key", "upstream_api_key_file", "vote_priors"}
"""Settings that tests of their own cover."""


def show(*words: str, **variables: str) -> dict[str, str]:
    """Return each setting's value, as text, in a process with these words and these variables."""
    done = run(*words, **variables)
    assert done.returncode == 0, done.stderr
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def run(*words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}  # noqa: TID251
    return subprocess.run(
        [sys.executable, "-c", SHOW, *words], env=environment | variables, capture_output=True, text=True, timeout=60
    )


def to_words(name: str, value: object) -> list[str]:
    if name == "model":
        return [str(value)]
    if value is True:
        return [to_flag(name)]
    if name == "served_model_name":
        return [to_flag(name), *value]
    if isinstance(value, list):
        items = [",".join(value)] if name == "upstream_abilities" else value
        return [word for item in items for word in (to_flag(name), item)]
    return [to_flag(name), to_text(value)]


def to_text(value: object) -> str:
    """Write a value for an environment variable."""
    if isinstance(value, list):
        return ",".join(value)
    return json.dumps(value) if isinstance(value, dict) else str(value)


def test_samples_cover_every_setting_and_differ_from_the_default():
    assert {*LOCAL, *REMOTE, *FROM_FILES} == set(Settings.model_fields)
    for sample in (LOCAL, REMOTE):
        for name, value in sample.items():
            default = Settings.model_fields[name].get_default(call_default_factory=True)
            assert value != default or name == "engine"


@pytest.mark.parametrize("sample", [LOCAL, REMOTE], ids=["vllm", "openai"])
def test_every_setting_is_the_same_by_flag_variable_and_file(sample, tmp_path):
    by_flag = show(*(word for name, value in sample.items() for word in to_words(name, value)))
    by_variable = show(**{f"COGITATE_{name.upper()}": to_text(value) for name, value in sample.items()})
    file = tmp_path / "server.yaml"
    file.write_text(json.dumps({name.replace("_", "-"): value for name, value in sample.items()}))
    by_file = show("--config", str(file))
    nothing = show()
    assert by_flag == by_variable == by_file | {"config": "None"}
    assert {name for name in by_flag if by_flag[name] != nothing[name]} == set(sample) - (
        {"engine"} if sample is LOCAL else set()
    )


def test_flags_win_over_variables_and_variables_over_the_file_and_the_file_over_secrets(tmp_path):
    (tmp_path / "f.yaml").write_text("port: 1\nmax-cost: 1\ncache-ttl: 1\nredis-url: redis://file\n")
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name in ("redis_url", "upstream_api_key"):
        (secrets / f"cogitate_{name}").write_text("redis://secret\n")
    found = show(
        "--port", "3", COGITATE_PORT="2", COGITATE_MAX_COST="2", COGITATE_CONFIG=str(tmp_path / "f.yaml"),
        COGITATE_SECRETS_DIR=str(secrets),
    )  # fmt: skip
    assert [found[name] for name in ("port", "max_cost", "cache_ttl")] == ["3", "2", "1"]
    assert (found["redis_url"], found["upstream_api_key"]) == ("'redis://file'", "'redis://secret'")


def test_the_upstream_key_comes_from_a_variable_or_a_file(tmp_path):
    (tmp_path / "key").write_text("sk-1,sk-2\n")
    words = ("--engine", "openai", "--upstream", "http://a/v1", "--upstream", "http://b/v1")
    by_file = show(*words, "--upstream-api-key-file", str(tmp_path / "key"))
    assert by_file["upstream_api_key"] == show(*words, COGITATE_UPSTREAM_API_KEY="sk-1,sk-2")["upstream_api_key"]
    both = run(*words, "--upstream-api-key-file", str(tmp_path / "key"), COGITATE_UPSTREAM_API_KEY="sk-1")
    assert both.returncode == 2 and "keep one" in both.stderr and "sk-1" not in both.stderr
    missing = run(*words, "--upstream-api-key-file", str(tmp_path / "none"))
    assert missing.returncode == 2 and "No such file" in missing.stderr


@pytest.mark.parametrize(
    ("words", "variables", "line"),
    [
        (("--port", "x"), {}, "cogitate: --port: "),
        ((), {"COGITATE_ALLOW_FIELD": "cache_salt,magic"}, "cogitate: --allow-field: 1: "),
        ((), {"COGITATE_PROT": "1"}, "cogitate: COGITATE_PROT is not a setting; did you mean COGITATE_PORT?"),
        (("--secrets-dir", "/nowhere"), {}, "cogitate: --secrets-dir /nowhere is not a folder"),
        (("--config", "/nowhere.yaml"), {}, "cogitate: --config /nowhere.yaml: there is no such file"),
        (("--allow-field", "magic"), {}, "cogitate: argument --allow-field: invalid choice"),
        (("--engine", "magic"), {}, "cogitate: argument --engine: invalid choice"),
    ],
)
def test_an_invalid_value_is_one_line_that_names_its_source(words, variables, line):
    done = run(*words, **variables)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and done.stderr.startswith(line), done.stderr


@pytest.mark.parametrize(
    ("flag", "variable", "value"),
    [
        ("--port", "COGITATE_PORT", "70000"),
        ("--cache-bytes", "COGITATE_KEPT_BYTES", "7"),
        ("--engine-args", "COGITATE_ENGINE_ARGS", "{"),
    ],
)
def test_an_invalid_variable_is_named(flag, variable, value):
    done = run(**{variable: value})
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(f"cogitate: {flag}: ") and done.stderr.endswith(f" (in {variable})\n")


def test_an_invalid_value_in_the_file_names_file_and_flag(tmp_path):
    path = tmp_path / "server.yaml"
    path.write_text("max-cost: none\n")
    done = run("--config", str(path))
    assert done.returncode == 2 and done.stderr.startswith("cogitate: --max-cost: ")
    assert done.stderr.endswith(f" (in {path})\n")


def test_a_variable_that_is_no_setting_is_a_line_and_stops_nothing():
    done = run(COGITATE_BUILD="5", COGITATE_PORT="tcp://10.0.0.1:8000", COGITATE_SERVICE_HOST="10.0.0.1")
    assert done.returncode == 0 and "port=8000\n" in done.stdout
    assert done.stderr == "cogitate: COGITATE_BUILD is not a setting; it has no effect\n"


def test_every_setting_is_in_the_help_once_with_its_choices_and_default(capsys):
    from cogitate.server.cli import build_parser

    with pytest.raises(SystemExit):
        build_parser().parse_args(["serve", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "PydanticUndefined" not in text and "None" not in text
    options = text.partition("positional arguments:")[2].partition("examples:")[0]
    for group in GROUPS:
        for name, field in group.model_fields.items():
            if name == "model" or name in ENVIRONMENT_ONLY:
                continue
            description = " ".join(field.description.split())
            assert options.count(f" {to_flag(name)} ") >= 1 and options.count(description) == 1, name
            if field.default not in (None, (), False) and field.default_factory is None:
                assert f"{description} (default: {field.default})" in options
    for choices in (
        "{vllm,openai}",
        "{debug,info,warning,error}",
        "{off,bwrap,landlock,remote:SOCKET}",
        "{none,continue",
    ):
        assert choices in options


def test_paths_of_a_file_may_begin_with_a_tilde(tmp_path: Path):
    (tmp_path / "server.yaml").write_text("port: 8002\n")
    assert show("--config", "~/server.yaml", HOME=str(tmp_path))["port"] == "8002"
