"""A loaded vLLM engine: starts it, answers plain requests with vLLM's own handlers, opens conversations."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import psutil
from vllm.config import ModelConfig
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.entrypoints.openai.completion.protocol import CompletionRequest as VllmCompletionRequest
from vllm.version import __version__ as VLLM_VERSION

from cogitate.server.engine import Body, Events, Load, ModelCard
from cogitate.server.engine.model_fingerprint import ModelSpec, fingerprint
from cogitate.server.engine.trace_headers import encode_trace_headers
from cogitate.server.engine.vllm.adapters import AdapterIdentities, find_adapter
from cogitate.server.engine.vllm.application import LoadedEngine, load_application
from cogitate.server.engine.vllm.errors import to_api_error
from cogitate.server.engine.vllm.leftovers import kill_leftovers, list_descendants
from cogitate.server.engine.vllm.load import launch, parse_arguments
from cogitate.server.engine.vllm.plain_call import call_route
from cogitate.server.engine.vllm.plugin_check import check_workers
from cogitate.server.engine.vllm.render import VllmRequest
from cogitate.server.engine.vllm.request import VllmConversation
from cogitate.server.engine.vllm.waiting import read_waiting
from cogitate.server.errors import ApiError
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.completion import AnyRequest, CompletionRequest
from cogitate.server.protocol.json import unix_time
from cogitate.server.protocol.plain_body import PlainBody
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.strategies.core.prompt import Prompt

SHUTDOWN_SECONDS = 15.0
"""A clean exit takes the engine's process about 5 s; if it is killed, it may leave a worker process running."""


@dataclass(frozen=True, slots=True)
class VllmEngine:
    """What VllmBackend delegates to once the model is loaded."""

    loaded: LoadedEngine
    card: ModelCard
    processes: frozenset[psutil.Process] = frozenset()
    """The engine's own processes."""
    adapters: AdapterIdentities = field(default_factory=AdapterIdentities)
    lifespan: AsyncExitStack = field(default_factory=AsyncExitStack)
    """What vLLM's application does while it runs, such as the log line of statistics; empty under `vllm serve`."""

    @property
    def is_dead(self) -> bool:
        return bool(self.loaded.llm.errored)

    @property
    def load(self) -> Load:
        llm = self.loaded.llm
        sequences = len(llm.output_processor.request_states)
        waiting = read_waiting() if llm.log_stats else max(sequences - self.card.capacity, 0)
        return Load(max(sequences - waiting, 0), min(waiting, sequences))

    @property
    def progress_marker(self) -> object:
        """The token counts of all sequences: vLLM's frontend counts every token, also before it returns any."""
        states = self.loaded.llm.output_processor.request_states
        tokens = [(name, state.detokenizer.num_output_tokens()) for name, state in states.items() if state.detokenizer]
        return tuple(tokens) or None

    @property
    def current_card(self) -> ModelCard:
        """The card with the adapters that are loaded now."""
        loaded = self.loaded.state.openai_serving_models.lora_requests
        if not loaded:
            return self.card
        return replace(self.card, adapters={name: self.adapters.identify(lora) for name, lora in loaded.items()})

    async def list_models(self) -> list[dict[str, Any]]:
        models = await self.loaded.state.openai_serving_models.show_available_models()
        return list(models.model_dump()["data"])

    async def close(self) -> None:
        await asyncio.to_thread(self.loaded.llm.shutdown, SHUTDOWN_SECONDS)
        await asyncio.to_thread(kill_leftovers, self.processes)
        await self.lifespan.aclose()

    async def converse(self, request: AnyRequest, prompt: Prompt, salt: str) -> VllmConversation:
        try:
            vllm_request = self._to_vllm_request(request, salt)
            conversation = VllmConversation(self.loaded, vllm_request, salt, find_adapter(self.loaded, vllm_request))
            conversation.prompt_tokens = len((await conversation.render(prompt)).ids)
        except ApiError as error:
            raise _with_prompt_param(request, error) from None
        return conversation

    async def answer(self, request: AnyRequest | ResponsesRequest, salt: str) -> Body | Events:
        try:
            content = {**self._list_fields(request), "model": self.current_card.resolve(request.model)}
            return await self.call_route(PlainBody(path_of(request), content, tuple(encode_trace_headers())), salt)
        except ApiError as error:
            raise _with_prompt_param(request, error) from error

    async def call_route(self, body: PlainBody, salt: str) -> Body | Events:
        return await call_route(self.loaded.routes, body, salt)

    def _to_vllm_request(self, request: AnyRequest, salt: str) -> VllmRequest:
        kind = ChatCompletionRequest if isinstance(request, ChatRequest) else VllmCompletionRequest
        body = {
            **self._list_fields(request),
            "model": self.current_card.resolve(request.model),
            **({"cache_salt": salt} if salt else {}),
        }
        try:
            vllm_request: VllmRequest = kind.model_validate(body)
        except ValueError as error:
            raise to_api_error(error) from error
        return vllm_request

    def _list_fields(self, request: AnyRequest | ResponsesRequest) -> Mapping[str, Any]:
        """The request's fields, without a hint that vLLM takes only with a reasoning parser or --reasoning-config."""
        fields, config = request.to_upstream(), self.loaded.llm.vllm_config.reasoning_config
        if isinstance(request, ResponsesRequest) or (config is not None and config.enabled):
            return fields
        refused = request.hints & {"thinking_token_budget"}
        return {name: value for name, value in fields.items() if name not in refused}


def path_of(request: AnyRequest | ResponsesRequest) -> str:
    """Return the path of vLLM's route that answers a request without a strategy."""
    paths = {ChatRequest: "/v1/chat/completions", ResponsesRequest: "/v1/responses"}
    return paths.get(type(request), "/v1/completions")


def _with_prompt_param(request: AnyRequest | ResponsesRequest, error: ApiError) -> ApiError:
    """Name the field `prompt` in an error of a completion request where vLLM's error names `messages`."""
    if error.param == "messages" and isinstance(request, CompletionRequest):
        error.param = "prompt"
    return error


async def start_engine(
    model: str,
    names: Sequence[str],
    engine_args: Mapping[str, object],
    reward: ModelSpec | None = None,
) -> VllmEngine:
    """Load a model in processes of its own. Takes seconds to minutes. Raises CannotStart.

    `names`: those that clients use, at least one. `reward`: the reward model served next to it; its scores shape
    responses, so it is part of the card's revision.
    """
    name, *aliases = names
    args = await asyncio.to_thread(parse_arguments, model, name, engine_args, aliases)
    earlier = list_descendants()
    llm = await asyncio.to_thread(launch, args)
    processes = list_descendants() - earlier
    await check_workers(llm)
    engine = await build_engine(await load_application(llm, args), ModelSpec(model, engine_args), reward)
    lifespan = AsyncExitStack()
    await lifespan.enter_async_context(engine.loaded.app.router.lifespan_context(engine.loaded.app))
    return replace(engine, processes=processes, lifespan=lifespan)


async def build_engine(loaded: LoadedEngine, model: ModelSpec, reward: ModelSpec | None = None) -> VllmEngine:
    """Wrap a loaded engine."""
    config = loaded.llm.model_config
    name, *aliases = [path.name for path in loaded.state.openai_serving_models.base_model_paths]
    card = ModelCard(
        name,
        await asyncio.to_thread(compute_revision, config, model, reward),
        config.max_model_len,
        unix_time(),
        capacity=loaded.llm.vllm_config.scheduler_config.max_num_seqs,
        vocab_size=config.get_vocab_size(),
        aliases=tuple(aliases),
        media_domains=frozenset(config.allowed_media_domains or ()),
    )
    return VllmEngine(loaded, card)


def compute_revision(config: ModelConfig, model: ModelSpec, reward: ModelSpec | None) -> str:
    """Identify everything that shapes responses: the models, their arguments, and what vLLM derived from them."""
    derived = (str(config.dtype), config.quantization, config.max_model_len, config.get_diff_sampling_param())
    return fingerprint(VLLM_VERSION, derived, model.identity, reward and reward.identity)
