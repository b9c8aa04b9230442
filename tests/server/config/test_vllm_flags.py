"""Flags of `vllm serve` on our command line: words become values by name."""

import pytest

from cogitate.server.cli import build_parser, build_settings
from cogitate.server.config.vllm_flags import InvalidVllmFlag, add_flags
from cogitate.server.settings import Settings


def serve(*words: str) -> Settings:
    return build_settings(build_parser().parse_args(["serve", *words]))


@pytest.mark.parametrize(
    ("words", "values"),
    [
        ("--tensor-parallel-size 2", {"tensor_parallel_size": 2}),
        ("--tensor_parallel_size=2", {"tensor_parallel_size": 2}),
        ("-tp 2 -pp=2 -q fp8", {"tensor_parallel_size": 2, "pipeline_parallel_size": 2, "quantization": "fp8"}),
        ("--max-model-len 16k", {"max_model_len": "16k"}),
        ("--max-model-len -1", {"max_model_len": "-1"}),
        ("--tokenizer-revision 1.10", {"tokenizer_revision": "1.10"}),
        ("--enforce-eager --no-enable-prefix-caching", {"enforce_eager": True, "enable_prefix_caching": False}),
        ("--lora-modules a=/a b=/b", {"lora_modules": ["a=/a", "b=/b"]}),
        ("--middleware a.b --middleware c.d", {"middleware": ("a.b", "c.d")}),
        ("--api-key k1 k2 --uds /s", {"api_key": ["k1", "k2"], "uds": "/s"}),
        ("-O3", {"optimization_level": 3}),
        ("-O 2", {"optimization_level": 2}),
        ("-cc.cudagraph_mode=none", {"compilation_config.cudagraph_mode": "none"}),
        ("--compilation-config.pass_config.fuse-x true", {"compilation_config.pass_config.fuse-x": "true"}),
        ('--compilation-config {"mode":0}', {"compilation_config": '{"mode":0}'}),
        ("--ssl-keyfile k --ssl-certfile c", {"ssl_keyfile": "k", "ssl_certfile": "c"}),
        (
            "--headless --api-server-count 0 --root-path /r",
            {"headless": True, "api_server_count": 0, "root_path": "/r"},
        ),
    ],
)
def test_flags_of_vllm_become_engine_args(words, values):
    settings = serve("m", *words.split())
    assert settings.engine_args == values and settings.model == "m"


def test_our_flags_between_vllms_keep_their_meaning():
    settings = serve("--enforce-eager", "--port", "9", "m", "--seed", "1", "--served-model-name", "a", "b")
    assert (settings.model, settings.port, settings.served_model_name) == ("m", 9, ("a", "b"))
    assert settings.engine_args == {"enforce_eager": True, "seed": 1}


def test_model_may_be_a_flag_as_in_older_charts():
    assert serve("--model", "m").model == "m"


def test_flags_and_engine_args_are_merged():
    settings = serve("m", "--engine-args", '{"max-model-len": 9}', "--enforce-eager")
    assert settings.engine_args == {"max_model_len": 9, "enforce_eager": True}


def refuse(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as exit_info:
        serve(*words)
    line = capsys.readouterr().err
    assert exit_info.value.code == 2 and line.startswith("cogitate: ") and line.count("\n") == 1
    return line


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (
            'm --max-model-len 8 --engine-args {"max_model_len":9}',
            "--max-model-len is given as a flag and in --engine-args",
        ),
        ('m -tp 2 --engine-args {"tensor-parallel-size":2}', "--tensor-parallel-size is given"),
        ('m --compilation-config.mode 0 --engine-args {"compilation_config":{}}', "--compilation-config is given"),
        ('m --engine-args {"port":1}', "port is a setting of Cogitate: give --port"),
        ('m --engine-args {"model":"n"}', "give MODEL"),
        ("m -zz 1", "unrecognized arguments: -zz"),
        ("m --seed 1 --engine openai --upstream http://a/v1", "flags of vLLM need --engine vllm"),
        ("m --upstraem u --engine openai", "unrecognized arguments: --upstraem; did you mean --upstream?"),
        ('m --engine-args {"seed":1} --engine openai --upstream http://a/v1', "need --engine vllm"),
    ],
)
def test_a_conflict_or_an_unknown_flag_is_one_line(capsys, words, reason):
    assert reason in refuse(capsys, *words.split())


def test_text_that_is_no_json_stays_for_the_check_of_the_setting(capsys):
    assert add_flags("{", {"seed": 1}) == "{"
    assert "--engine-args: is not JSON" in refuse(capsys, "m", "--engine-args", "{", "--seed", "1")
    with pytest.raises(InvalidVllmFlag):
        add_flags({"seed": 2}, {"seed": 1})
