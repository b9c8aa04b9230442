"""vLLM 0.32 in this process: the CPU and the GPU build alike. Nothing outside this folder knows vLLM's names.

loading.py   arguments -> AsyncLLM and vLLM's own OpenAI handlers
errors.py    vLLM's failures -> ours
decode.py    submit, gather, abort
speech.py    what a decode says, by vLLM's parsers
render.py    prompts as the engine takes them
conversation.py   one request: sampling parameters, decodes, completions
present.py   the winners as an OpenAI body
running.py   a loaded engine, and what it is asked
backend.py   the Backend port
"""

from cogitate.server.engine.vllm.backend import VllmBackend

__all__ = ["VllmBackend"]
