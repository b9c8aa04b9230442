"""Our source against vLLM 0.33, whose wheel is unpacked without its dependencies. All other tests run on 0.32."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from tests.vllm_versions.library import Library, parse
from tests.vllm_versions.signature import read_fields, read_function
from tests.vllm_versions.uses import Report, check_uses
from tests.vllm_versions.wheel import fetch_source

PROJECT = Path(__file__).parents[2]
ROOMS = ("cogitate.server.engine.vllm", "cogitate.server.engine.reward", "cogitate.server.plugin")
TOKENIZER = "vllm.tokenizers.protocol.TokenizerLike"
OF_TRANSFORMERS = {f"{TOKENIZER}.backend_tokenizer", f"{TOKENIZER}.bos_token"}
"""Attributes of the tokenizers that vLLM passes on, which its protocol does not state."""
REACHED = {
    "starlette.datastructures.State.openai_serving_chat",
    "vllm.entrypoints.openai.chat_completion.serving.OpenAIServingChat._effective_chat_template_kwargs",
    "vllm.entrypoints.openai.chat_completion.serving.OpenAIServingChat._make_parser()",
    "vllm.entrypoints.openai.chat_completion.serving.OpenAIServingChat.chat_completion_full_generator()",
    "vllm.model_executor.models.registry._SUBPROCESS_COMMAND",
    "vllm.outputs.CompletionOutput()",
    "vllm.parser.abstract_parser.Parser.parse_delta()",
    "vllm.sampling_params.SamplingParams.flat_logprobs",
    "vllm.v1.engine.async_llm.AsyncLLM.abort()",
    "vllm.v1.engine.async_llm.AsyncLLM.add_request()",
    "vllm.v1.engine.async_llm.AsyncLLM.log_stats",
    "vllm.v1.engine.output_processor.OutputProcessor.request_states",
}
"""Uses that the walk must come to, so that it cannot pass by finding nothing."""


@pytest.fixture(scope="module")
def release() -> Path:
    return fetch_source("0.33.0") / "vllm"


@pytest.fixture(scope="module")
def library(release: Path) -> Library:
    return Library((PROJECT / "deploy" / "package", release.parent))


@pytest.fixture(scope="module")
def report(library: Library) -> Report:
    return check_uses(library, [module for room in ROOMS for module in library.submodules(room)])


def test_every_name_parameter_and_attribute_that_we_use_is_there(report):
    assert [each for each in report.problems if each.split(": ")[1] not in OF_TRANSFORMERS] == []


def test_the_walk_comes_to_the_engine_its_handlers_and_parsers(report):
    assert REACHED - report.uses == set() and len(report.uses) > 200


def test_default_engine_arguments_are_fields_of_its_arguments(library):
    fields = read_fields(library.linearize(library.find("vllm.engine.arg_utils", "AsyncEngineArgs"))).positional
    defaults = {
        key.value
        for module in ("cogitate.server.engine.vllm.load", "cogitate.server.engine.reward.engine")
        for name, (statement, *_) in library.scope(module).items()
        if name.endswith("DEFAULTS")
        for key in statement.value.keys
    }
    assert {"enable_chunked_prefill", "kv_cache_memory_bytes"} <= defaults <= set(fields)


def test_each_flag_of_its_server_is_in_a_table(library):
    fields = read_fields(library.linearize(library.find("vllm.entrypoints.common.cli_args", "FrontendArgs"))).positional
    scope = library.scope("cogitate.server.engine.vllm.frontend_args")
    tables = [scope[name][0].value for name in ("BY_VLLM", "BY_LAUNCHER", "REFUSED")]
    known = {node.value for table in tables for node in ast.walk(table) if isinstance(node, ast.Constant)}
    assert "reasoning_effort_map" in fields and set(fields) - known == set()


def test_environment_variables_that_we_set_are_read(release):
    source = "".join(path.read_text() for path in (PROJECT / "server").rglob("*.py"))
    names = set(re.findall(r'"(VLLM_[A-Z_]+)"', source))
    assert "VLLM_CPU_OMP_THREADS_BIND" in names
    assert names <= set(re.findall(r"\bVLLM_[A-Z_]+\b", (release / "envs.py").read_text()))


def test_plugin_groups_are_loaded(release):
    groups = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["entry-points"]
    source = (release / "plugins" / "__init__.py").read_text()
    assert groups and all(f'"{group}"' in source for group in groups)


def test_metrics_of_the_dashboard_are_exported(release):
    dashboard = (PROJECT / "deploy/grafana/dashboards/cogitate.json").read_text()
    used = {re.sub(r"_(total|bucket|count|sum)$", "", name) for name in re.findall(r"vllm:\w+", dashboard)}
    source = (release / "v1/metrics/loggers.py").read_text()
    assert used and [name for name in used if f'"{name}' not in source] == []


@pytest.mark.parametrize("method", ["forward", "gather_specific_token_logprobs"])
def test_the_sampler_patch_takes_what_the_sampler_takes(release, method):
    theirs = next(each for each in ast.walk(parse(release / "v1/sample/sampler.py")) if is_function(each, method))
    ours = next(
        each for each in parse(PROJECT / "server/engine/vllm/sampler_patch.py").body if is_function(each, method)
    )
    expected, signature = read_function(theirs, skip=1), read_function(ours, skip=1)
    assert signature.any_keyword or len(signature.positional) == len(expected.positional)
    assert len(signature.required) >= len(expected.required)


def is_function(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == name
