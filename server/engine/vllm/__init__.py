"""vLLM 0.32 or 0.33 in this process, the CPU or the GPU build. Only this package and `engine.reward` import vLLM.

backend.py         the Backend port; imports vLLM when it is opened
engine.py          a loaded engine: starts it, answers plain requests by vLLM's own routes
load.py            arguments -> AsyncLLM
request.py         the Conversation port: one request's sampling parameters, decodes and completions
render.py          prompts -> engine inputs
sampling_params.py the client's fields and a strategy's -> SamplingParams
decode.py          submits one sequence, collects its output, aborts it
completion.py      decoded sequence -> Completion
output_parser.py   reasoning, content and tool calls of an output, by vLLM's parsers
response.py        completions -> OpenAI response body
application.py     vLLM's own server application over a running engine
plain_call.py      calls one of vLLM's own routes in this process
attach.py          a backend over the engine of `vllm serve`
adapters.py        LoRA adapters
special_tokens.py  escapes special tokens in message text
errors.py          vLLM's exceptions -> ApiError
moved.py           names that vLLM has moved between these versions
env.py             environment variables that vLLM reads
plugin.py          vLLM plugin: model class, sampler patch
plugin_check.py    refuses to start where the plugin was not loaded
sampler_patch.py   work-around for the V1 sampler
leftovers.py       ends processes that a dead engine leaves behind
cpu_build.py       work-arounds for the CPU build
"""

from cogitate.server.engine.vllm.backend import VllmBackend

__all__ = ["VllmBackend"]
