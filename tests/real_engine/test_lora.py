"""LoRA adapters and several served names are models like any other, with strategies and without."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cogitate.server.engine.vllm import env
from tests.fakes.vllm_server import VllmServer, demo_model, vllm_server

pytestmark = [pytest.mark.engine, pytest.mark.slow]

MODEL, ALIAS = env.DEMO_MODEL_NAME, "other-name"
RANK = 8
QUESTION = {"messages": [{"role": "user", "content": "Name three colours."}], "max_tokens": 12}


def write_adapter(folder: Path, seed: int) -> Path:
    """Write an adapter with random weights: it changes what the model says."""
    import torch
    from safetensors.torch import save_file

    config = json.loads(Path(demo_model(), "config.json").read_text())
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    outputs = {"q_proj": hidden, "v_proj": hidden // heads * config["num_key_value_heads"]}
    noise = torch.Generator().manual_seed(seed)
    weights = {}
    for layer in range(config["num_hidden_layers"]):
        for name, width in outputs.items():
            prefix = f"base_model.model.model.layers.{layer}.self_attn.{name}"
            weights[f"{prefix}.lora_A.weight"] = torch.randn(RANK, hidden, generator=noise) * 0.1
            weights[f"{prefix}.lora_B.weight"] = torch.randn(width, RANK, generator=noise) * 0.1
    folder.mkdir()
    save_file(weights, folder / "adapter_model.safetensors")
    settings = {"peft_type": "LORA", "r": RANK, "lora_alpha": RANK, "target_modules": list(outputs), "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(settings | {"base_model_name_or_path": demo_model()}))
    return folder


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("adapters")
    return {name: write_adapter(folder / name, seed) for seed, name in enumerate(("tuned", "later"))}


@pytest.fixture(scope="module")
def server(adapters: dict[str, Path]) -> Iterator[VllmServer]:
    flags = ["--enable-lora", "--max-lora-rank", str(RANK), "--lora-modules", f"tuned={adapters['tuned']}"]
    variables = {"VLLM_PLUGINS": "cogitate", "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1"}
    with vllm_server([*flags, "--served-model-name", MODEL, ALIAS], variables) as running:
        yield running


@pytest.fixture
def client(server: VllmServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=120) as client:
        yield client


def ask(client: httpx.Client, model: str, **fields: object) -> httpx.Response:
    response = client.post("/v1/chat/completions", json={"model": model, "temperature": 0, **QUESTION, **fields})
    response.raise_for_status()
    return response


def read_text(response: httpx.Response) -> str:
    return str(response.json()["choices"][0]["message"]["content"])


def test_models_list_every_name_with_every_strategy(client):
    names = {model["id"] for model in client.get("/v1/models").json()["data"]}
    for name in (MODEL, ALIAS, "tuned"):
        assert {name, f"{name}@self_consistency", f"{name}@best_of_n"} <= names


def test_adapter_decodes_under_a_strategy_as_without_one(client):
    plain = {name: read_text(ask(client, name)) for name in (MODEL, ALIAS, "tuned")}
    assert plain[MODEL] == plain[ALIAS] != plain["tuned"]
    strategy = {"name": "self_consistency", "n": 2, "instruction": ""}
    for name, text in plain.items():
        assert read_text(ask(client, f"{name}@self_consistency", strategy=strategy)) == text


def test_answers_of_an_adapter_and_of_its_model_are_cached_apart(client):
    fields = {"strategy": {"name": "self_consistency", "n": 2}, "seed": 3, "temperature": 0.8}
    assert "x-cache" not in ask(client, MODEL, **fields).headers
    assert "x-cache" not in ask(client, "tuned", **fields).headers
    assert ask(client, ALIAS, **fields).headers["x-cache"] == "hit"
    assert ask(client, "tuned", **fields).headers["x-cache"] == "hit"


def test_adapter_is_loaded_and_unloaded_at_run_time(client, adapters):
    missing = client.post("/v1/chat/completions", json={"model": "later@self_consistency", **QUESTION})
    assert missing.status_code == 404
    client.post(
        "/v1/load_lora_adapter", json={"lora_name": "later", "lora_path": str(adapters["later"])}
    ).raise_for_status()
    assert ask(client, "later@self_consistency").json()["cogitate"]["strategy"] == "self_consistency"
    assert read_text(ask(client, "later")) != read_text(ask(client, MODEL))
    client.post("/v1/unload_lora_adapter", json={"lora_name": "later"}).raise_for_status()
    missing = client.post("/v1/chat/completions", json={"model": "later@self_consistency", **QUESTION})
    assert missing.status_code == 404
