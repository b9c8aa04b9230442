"""The names of spans' attributes and events.

OpenTelemetry's conventions for generative AI are in development, and names have moved: only this file has them. Names
of `gen_ai.*` are those of the version below, of https://github.com/open-telemetry/semantic-conventions-genai; the
others are stable, or ours (`cogitate.*`).
"""

from typing import Final

GEN_AI_VERSION: Final = "0.1.0"

OPERATION: Final = "gen_ai.operation.name"
CHAT: Final = "chat"
"""An operation."""
PROVIDER: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_SEED: Final = "gen_ai.request.seed"
REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
REQUEST_STREAM: Final = "gen_ai.request.stream"
RESPONSE_ID: Final = "gen_ai.response.id"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHED_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"

EVALUATION: Final = "gen_ai.evaluation.result"
"""An event."""
EVALUATION_NAME: Final = "gen_ai.evaluation.name"
EVALUATION_SCORE: Final = "gen_ai.evaluation.score.value"

ERROR_TYPE: Final = "error.type"
HTTP_METHOD: Final = "http.request.method"
HTTP_STATUS: Final = "http.response.status_code"
HTTP_ROUTE: Final = "http.route"
URL_PATH: Final = "url.path"

REQUEST_ID: Final = "cogitate.request_id"
TENANT: Final = "cogitate.tenant"
STRATEGY: Final = "cogitate.strategy"
CACHE: Final = "cogitate.cache"
STOPPED: Final = "cogitate.stopped"
AGREEMENT: Final = "cogitate.agreement"
ANSWER: Final = "cogitate.answer"
SCORE: Final = "cogitate.score"
CANDIDATES: Final = "cogitate.candidates"
REUSED: Final = "cogitate.reused"
TOTAL_INPUT_TOKENS: Final = "cogitate.usage.input_tokens"
TOTAL_OUTPUT_TOKENS: Final = "cogitate.usage.output_tokens"
TOTAL_ABORTED_TOKENS: Final = "cogitate.usage.aborted_tokens"
TOTAL_VERIFIER_TOKENS: Final = "cogitate.usage.verifier_tokens"

ROLE: Final = "cogitate.role"
INDEX: Final = "cogitate.index"
PARENT: Final = "cogitate.parent"
DEPTH: Final = "cogitate.depth"
ABORTED: Final = "cogitate.aborted"
COUNTED: Final = "cogitate.counted"
CHOSEN: Final = "cogitate.chosen"
LOGPROB: Final = "cogitate.logprob"

VOTE: Final = "cogitate.vote"
"""An event: the answer read from a candidate."""
VOTE_CLASS: Final = "cogitate.vote.class"
VOTE_WEIGHT: Final = "cogitate.vote.weight"
VOTE_ABSTAINS: Final = "cogitate.vote.abstains"
EXECUTION: Final = "cogitate.execution"
"""An event: a program ran in the sandbox."""
EXECUTION_REASON: Final = "cogitate.execution.reason"
EXECUTION_SECONDS: Final = "cogitate.execution.seconds"
STEPS: Final = "cogitate.evaluation.steps"
EVALUATION_TOKENS: Final = "cogitate.evaluation.tokens"

CANCELLED_CODE: Final = "request_cancelled"
OPERATIONS: Final = {
    "/v1/chat/completions": CHAT,
    "/v1/completions": "text_completion",
    "/v1/responses": CHAT,
    "/v1/messages": CHAT,
}
"""The operation of each path that asks a model."""
