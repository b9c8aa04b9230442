"""What the operator may say of upstreams, and where."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError
from redis.asyncio.connection import parse_url

from cogitate.server.cli import parser
from cogitate.server.engine.factory import remote
from cogitate.server.settings import Settings

URLS = ("http://a/v1", "http://b/v1")


def remotely(**fields: object) -> Settings:
    return Settings(engine="openai", upstream=URLS, **fields)


def secrets(settings: Settings) -> list[str | None]:
    return [key and key.get_secret_value() for key in settings.upstream_keys]


def test_one_key_is_for_every_upstream_and_several_are_for_one_each():
    assert secrets(remotely()) == [None, None]
    assert secrets(remotely(upstream_api_key="k")) == ["k", "k"]
    assert secrets(remotely(upstream_api_key="k, l")) == ["k", "l"]
    assert secrets(remotely(upstream_api_key=",l")) == [None, "l"]
    with pytest.raises(ValidationError, match="neither one key nor one for each"):
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
def test_what_does_not_fit_together_is_refused(fields, reason):
    with pytest.raises(ValidationError, match=reason):
        Settings(**fields)


@pytest.mark.parametrize(
    ("said", "able"),
    [("none", set()), ("continue, seed", {"continue", "seed"}), ("logprobs", {"logprobs"})],
)
def test_abilities_are_listed_or_none(said, able):
    assert remotely(upstream_abilities=said).upstream_abilities == able
    assert remotely().upstream_abilities is None


def test_settings_reach_the_backend():
    backend = remote(remotely(model="m", served_model_name="n", upstream_timeout=9, upstream_idle_timeout=3))
    assert [upstream.url for upstream in backend.upstreams] == list(URLS)
    assert (backend.model, backend.name) == ("m", "n")
    assert (backend.patience.total, backend.patience.idle, backend.patience.connect) == (9, 3, 5)


def test_an_upstream_is_a_flag_that_may_be_repeated_and_a_key_is_none():
    words = ["serve", "--engine", "openai", "--upstream", URLS[0], "--upstream", URLS[1]]
    assert parser().parse_args(words).upstream == list(URLS)
    with pytest.raises(SystemExit):
        parser().parse_args([*words, "--upstream-api-key", "k"])


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
        (("--upstream", "http://a/v1"), 2, "cogitate: --upstream needs --engine openai"),
        (("--engine", "openai", "--upstream", "ftp://a"), 1, "cogitate: --upstream takes a base URL"),
    ],
)
def test_a_mistake_is_one_line(words, code, line):
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
def test_redis_password_is_the_files_where_the_url_has_none(tmp_path: Path, url, user, password):
    (tmp_path / "password").write_text("p@ss: /w%1\n")
    told = parse_url(Settings(redis_url=url, redis_password_file=tmp_path / "password").cache_url)
    assert (told.get("username"), told["password"]) == (user, password)
    before = parse_url(url)
    assert {name: told[name] for name in told if name not in ("username", "password")} == {
        name: before[name] for name in before if name not in ("username", "password")
    }


@pytest.mark.parametrize("url", ["redis://h:6379/0", "unix:///run/redis.sock", "redis://u@h"])
def test_without_a_password_file_the_url_of_redis_is_as_it_was_given(url):
    assert Settings(redis_url=url).cache_url == url
