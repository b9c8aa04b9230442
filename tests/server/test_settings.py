"""Settings of upstreams and of Redis, from flags, environment variables and files."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError
from redis.asyncio.connection import parse_url

from cogitate.server.cli import build_parser
from cogitate.server.engine.factory import build_remote_backend
from cogitate.server.settings import Settings

URLS = ("http://a/v1", "http://b/v1")


def remotely(**fields: object) -> Settings:
    return Settings(engine="openai", upstream=URLS, **fields)


def secrets(settings: Settings) -> list[str | None]:
    return [key and key.get_secret_value() for key in settings.upstream_keys]


def test_one_api_key_serves_all_upstreams_and_several_serve_one_each():
    assert secrets(remotely()) == [None, None]
    assert secrets(remotely(upstream_api_key="k")) == ["k", "k"]
    assert secrets(remotely(upstream_api_key="k, l")) == ["k", "l"]
    assert secrets(remotely(upstream_api_key=",l")) == [None, "l"]
    with pytest.raises(ValidationError, match="must have one key, or one for each"):
        remotely(upstream_api_key="k,l,m")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"engine": "openai"}, "needs --upstream"),
        ({"upstream": "http://a/v1"}, "needs --engine openai"),
        ({"engine": "openai", "upstream": "http://a/v1", "reward_model": "m"}, "needs --engine vllm"),
        ({"engine": "openai", "upstream": "http://a/v1", "upstream_abilities": "magic"}, "magic|continue"),
        ({"engine": "openai", "upstream": "http://a/v1", "upstream_timeout": 0}, "greater than 0"),
    ],
)
def test_contradicting_settings_are_rejected(fields, reason):
    with pytest.raises(ValidationError, match=reason):
        Settings(**fields)


@pytest.mark.parametrize(
    ("value", "abilities"),
    [("none", set()), ("continue, seed", {"continue", "seed"}), ("logprobs", {"logprobs"})],
)
def test_upstream_abilities_are_a_comma_separated_list_or_none(value, abilities):
    assert remotely(upstream_abilities=value).upstream_abilities == abilities
    assert remotely().upstream_abilities is None


def test_upstream_settings_reach_the_backend():
    backend = build_remote_backend(
        remotely(model="m", served_model_name="n", upstream_timeout=9, upstream_idle_timeout=3)
    )
    assert [upstream.url for upstream in backend.upstreams] == list(URLS)
    assert (backend.model, backend.name) == ("m", "n")
    assert (backend.timeouts.total, backend.timeouts.idle, backend.timeouts.connect) == (9, 3, 5)


def test_upstream_flag_is_repeatable_and_an_upstream_key_has_no_flag():
    words = ["serve", "--engine", "openai", "--upstream", URLS[0], "--upstream", URLS[1]]
    assert build_parser().parse_args(words).upstream == list(URLS)
    with pytest.raises(SystemExit):
        build_parser().parse_args([*words, "--upstream-api-key", "k"])


def cogitate(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cogitate.server", "serve", *words],
        env={"PATH": os.environ["PATH"], **environment},  # noqa: TID251  a test run has no settings
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (("--engine", "openai"), 2, "cogitate: --engine openai needs --upstream URL"),
        (("--upstream", "http://a/v1"), 2, "cogitate: --upstream URL needs --engine openai"),
        (("--engine", "openai", "--upstream", "ftp://a"), 1, "cogitate: --upstream takes a base URL"),
    ],
)
def test_wrong_flags_end_the_process_with_one_line(words, code, line):
    made = cogitate(*words, "--port", "0")
    assert (made.returncode, made.stderr.count("\n")) == (code, 1) and made.stderr.startswith(line)


def test_upstreams_in_the_environment_are_separated_by_commas():
    made = cogitate("--port", "0", COGITATE_ENGINE="openai", COGITATE_UPSTREAM="http://a/v1,ftp://b")
    assert "base URL" in made.stderr and made.returncode == 1


@pytest.mark.parametrize(
    ("url", "user", "password"),
    [
        ("redis://h:6379/0", None, "p@ss: /w%1"),
        ("redis://cogitate@h:6379/0", "cogitate", "p@ss: /w%1"),
        ("redis://cogitate:@h:6379/0", "cogitate", "p@ss: /w%1"),
        ("rediss://a%40b@[::1]:6379/0?socket_timeout=5", "a@b", "p@ss: /w%1"),
        ("unix:///run/redis.sock?db=0", None, "p@ss: /w%1"),
        ("redis://cogitate:own@h:6379/0", "cogitate", "own"),
    ],
)
def test_redis_password_comes_from_the_file_unless_the_url_has_one(tmp_path: Path, url, user, password):
    (tmp_path / "password").write_text("p@ss: /w%1\n")
    filled = parse_url(Settings(redis_url=url, redis_password_file=tmp_path / "password").cache_url)
    assert (filled.get("username"), filled["password"]) == (user, password)
    before = parse_url(url)
    assert {name: filled[name] for name in filled if name not in ("username", "password")} == {
        name: before[name] for name in before if name not in ("username", "password")
    }


@pytest.mark.parametrize("url", ["redis://h:6379/0", "unix:///run/redis.sock", "redis://u@h"])
def test_redis_url_is_unchanged_without_a_password_file(url):
    assert Settings(redis_url=url).cache_url == url
