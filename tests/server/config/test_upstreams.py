"""Named upstreams: --upstream NAME=URL, and the keys by name."""

import pytest
from pydantic import ValidationError

from cogitate.server.engine import CannotStart
from cogitate.server.engine.factory import build_backend, build_remote_backends
from cogitate.server.engine.fleet import Fleet
from cogitate.server.settings import Settings

SMALL, LARGE = "small=http://a/v1", "org/large=http://b/v1"


def remotely(*upstream, **fields):
    return Settings(engine="openai", upstream=upstream, **fields)


def secrets(settings):
    return [key and key.get_secret_value() for key in settings.upstream_keys]


def test_one_name_is_replicas_of_one_model_under_that_name():
    backends = build_remote_backends(remotely("m=http://a/v1", "m=http://b/v1"))
    assert [one.url for one in backends["m"].upstreams] == ["http://a/v1", "http://b/v1"]
    assert backends["m"].name == "m"


def test_several_names_are_several_models():
    backend = build_backend(remotely(SMALL, LARGE, "small=http://c/v1"), lambda line: None)
    assert isinstance(backend, Fleet)
    urls = {name: [one.url for one in each.upstreams] for name, each in backend.backends.items()}
    assert urls == {"small": ["http://a/v1", "http://c/v1"], "org/large": ["http://b/v1"]}


def test_url_with_an_equals_sign_has_no_name():
    assert list(build_remote_backends(remotely("http://a/x=1/v1"))) == [""]


def test_keys_are_one_for_all_or_one_each_or_by_name():
    assert secrets(remotely(SMALL, LARGE, upstream_api_key="k")) == ["k", "k"]
    assert secrets(remotely(SMALL, LARGE, upstream_api_key="k,l")) == ["k", "l"]
    assert secrets(remotely(SMALL, LARGE, upstream_api_key="org/large=l==, small=k")) == ["k", "l=="]
    assert secrets(remotely(SMALL, LARGE, upstream_api_key="small=k")) == ["k", None]
    assert secrets(remotely("http://a/v1", upstream_api_key="k=")) == ["k="]


def test_keys_by_name_may_be_in_a_file(tmp_path):
    (tmp_path / "keys").write_text("small=k,org/large=l\n")
    assert secrets(remotely(SMALL, LARGE, upstream_api_key_file=tmp_path / "keys")) == ["k", "l"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"engine": "openai", "upstream": (SMALL, "http://b/v1")}, "give every --upstream a name"),
        ({"engine": "openai", "upstream": ("a@b=http://b/v1",)}, "NAME"),
        ({"engine": "openai", "upstream": (SMALL, LARGE), "model": "m"}, "leave them out"),
        ({"engine": "openai", "upstream": (SMALL, LARGE), "served_model_name": "m"}, "leave them out"),
        ({"engine": "openai", "upstream": (SMALL,), "served_model_name": "m"}, "leave one of them out"),
        ({"engine": "openai", "upstream": (SMALL, LARGE), "upstream_api_key": "small=k,l"}, "NAME=KEY"),
        ({"engine": "openai", "upstream": (SMALL, LARGE), "upstream_api_key": "k,l,m"}, "NAME=KEY"),
        ({"upstream": ("http://a/v1",)}, "needs --engine openai"),
        ({"upstream": (SMALL,), "served_model_name": "small"}, "choose another"),
    ],
)
def test_names_that_contradict_other_flags_are_refused(fields, reason):
    with pytest.raises(ValidationError, match=reason):
        Settings(**fields)


def test_upstream_stands_beside_the_model_in_this_process_under_another_name(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    own = str(tmp_path)
    backend = build_backend(Settings(model=own, upstream=(LARGE,)), lambda line: None)
    assert list(backend.backends) == [own, "org/large"] and backend.upstream_names == ("org/large",)
    with pytest.raises(CannotStart, match="choose another"):
        build_backend(Settings(model=own, upstream=(f"{own}=http://a/v1",)), lambda line: None)


@pytest.mark.parametrize("keys", ["larg=sk-secret", "smal=k1,larg=k2", "small=k1,larg=k2"])
def test_misspelt_name_gives_no_key_to_another_upstream(keys):
    with pytest.raises(ValidationError, match="COGITATE_UPSTREAM_API_KEY must have one key"):
        remotely(SMALL, LARGE, upstream_api_key=keys)


def test_key_that_ends_in_equals_signs_is_a_key():
    assert secrets(remotely(SMALL, LARGE, upstream_api_key="a2V5==")) == ["a2V5==", "a2V5=="]
