"""COGITATE_* variables: Kubernetes's own, unknown ones, and misspelt settings."""

import pytest

from cogitate.server.config.environment import find_unknown_variables, is_injected

NAMES = {"COGITATE_PORT", "COGITATE_METRICS_PORT", "COGITATE_CACHE_BYTES", "COGITATE_REDIS_URL"}
KUBERNETES = {
    "COGITATE_SERVICE_HOST": "10.0.0.11",
    "COGITATE_SERVICE_PORT": "8000",
    "COGITATE_SERVICE_PORT_HTTP": "8000",
    "COGITATE_PORT": "tcp://10.0.0.11:8000",
    "COGITATE_PORT_8000_TCP": "tcp://10.0.0.11:8000",
    "COGITATE_PORT_8000_TCP_ADDR": "10.0.0.11",
    "COGITATE_PORT_8000_TCP_PORT": "8000",
    "COGITATE_PORT_8000_TCP_PROTO": "tcp",
    "COGITATE_METRICS_PORT": "tcp://10.0.0.12:9000",
    "COGITATE_REDIS_MASTER_SERVICE_HOST": "10.0.0.13",
    "COGITATE_REDIS_MASTER_PORT_6379_TCP_ADDR": "10.0.0.13",
}


@pytest.mark.parametrize(("name", "value"), KUBERNETES.items())
def test_what_kubernetes_injects_for_a_service_is_no_setting(name, value):
    assert is_injected(name, value) and find_unknown_variables({name: value}, NAMES) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("COGITATE_PORT", "8000"), ("COGITATE_METRICS_PORT", "0"), ("OTHER_SERVICE_HOST", "h"), ("COGITATE_HOST", "::1")],
)
def test_a_setting_is_not_injected(name, value):
    assert not is_injected(name, value)


@pytest.mark.parametrize(
    ("name", "suggestion", "is_close"),
    [
        ("COGITATE_PROT", "COGITATE_PORT", True),
        ("COGITATE_CACHE_BYTE", "COGITATE_CACHE_BYTES", True),
        ("COGITATE_REDIS", "COGITATE_REDIS_URL", False),
        ("COGITATE_BUILD_DATE", None, False),
    ],
)
def test_an_unknown_name_is_compared_with_the_settings(name, suggestion, is_close):
    (unknown,) = find_unknown_variables({name: "x", "PATH": "/bin"}, NAMES)
    assert (unknown.name, unknown.suggestion, unknown.is_close) == (name, suggestion, is_close)
    assert (f"did you mean {suggestion}?" in str(unknown)) == (suggestion is not None)
