"""Flags that choose what answers: the model, its engine, and upstreams."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr
from pydantic_settings import NoDecode

from cogitate.strategies import AnyStrategy
from cogitate.strategies.core.ports import Ability


class ModelSettings(BaseModel):
    """model and engine"""

    model: str | None = Field(default=None, description="Hugging Face id or folder (default: a small demo model)")
    engine: Literal["vllm", "openai"] = Field(
        default="vllm", description="vllm: run the model in this server; openai: use OpenAI-compatible upstreams"
    )
    served_model_name: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Names that clients use, separated by spaces; responses have the first (default: MODEL)",
    )
    engine_args: Annotated[dict[str, object], NoDecode] = Field(
        default_factory=dict,
        description='Flags of `vllm serve` as JSON, such as {"tensor_parallel_size": 2}. They may also be given as '
        "flags: --tensor-parallel-size 2",
    )
    presets: Annotated[dict[str, AnyStrategy], NoDecode] = Field(
        default_factory=dict,
        description='Named strategies with options as JSON, such as {"careful": {"name": "self_consistency", '
        '"n": 32}}. Clients select one by the model name NAME@careful',
    )
    vote_priors: Path | None = Field(
        default=None,
        description="File of priors that `cogitate eval --prior-out` learned; votes stop by that of NAME@PRESET, or of "
        "NAME (default: a uniform prior)",
    )
    reward_model: str | None = Field(default=None, description="Reward model to load, offered as verifier `reward`")
    reward_format: (
        Literal["qwen", "qwen_rm", "rlhflow", "math_shepherd", "skywork_prm", "outcome", "generative"] | None
    ) = Field(default=None, description="Input format of the reward model (default: detected from its configuration)")
    reward_engine_args: Annotated[dict[str, object], NoDecode] = Field(
        default_factory=dict, description="vLLM engine arguments of the reward model as JSON"
    )
    stall_seconds: float = Field(
        default=30,
        gt=0,
        description="Time without a new token, while requests are running, after which the server is not ready. After "
        "three times as long the process exits, so that its supervisor restarts it",
    )


class UpstreamSettings(BaseModel):
    """upstreams"""

    upstream: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Base URL of an upstream, ending in /v1. Repeatable: one for each replica. NAME=URL names its "
        "model; several names are several models, also beside the one of --engine vllm. Every address of a DNS name, "
        "such as a headless Service of Kubernetes, is a replica; the name is read every 5 seconds. With https the name "
        "is one replica",
    )
    upstream_api_key: SecretStr | None = Field(
        default=None,
        description="API key of all upstreams, or one for each, separated by commas, or NAME=KEY for each name",
    )
    upstream_api_key_file: Path | None = Field(
        default=None,
        description="File with the API keys of upstreams, as in the environment variable COGITATE_UPSTREAM_API_KEY: "
        "one for all, one for each, separated by commas, or NAME=KEY for each name",
    )
    upstream_timeout: float = Field(
        default=600, gt=0, description="Seconds for one upstream response, retries included"
    )
    upstream_idle_timeout: float = Field(default=60, gt=0, description="Seconds between two chunks of a stream")
    upstream_connect_timeout: float = Field(default=5, gt=0, description="Seconds to connect to an upstream")
    upstream_abilities: Annotated[frozenset[Ability] | None, NoDecode] = Field(
        default=None,
        description="What the upstreams support: a comma-separated list of continue, logprobs, seed and n, or none "
        "(default: probed at start-up)",
    )
