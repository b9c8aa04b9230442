"""Writes a model folder without weights, in the shape of Qwen2.5-7B: python write_model.py FOLDER

For `vllm serve FOLDER --load-format dummy`, which fills the weights with random numbers. The tokenizer has a token for
each byte and a word for every other id, so that whatever such a model samples is text. It needs Python alone.
"""

import argparse
import json
from pathlib import Path
from typing import Any

VOCABULARY = 152_064
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CONFIG: dict[str, Any] = {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 32768,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-06,
    "rope_theta": 1_000_000.0,
    "tie_word_embeddings": False,
    "use_sliding_window": False,
    "torch_dtype": "bfloat16",
    "bos_token_id": VOCABULARY - 3,
    "eos_token_id": VOCABULARY - 1,
}
"""Of Qwen/Qwen2.5-7B-Instruct, except the ids of its special tokens."""
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def build_tokenizer() -> dict[str, Any]:
    """Build tokenizer.json: byte-level BPE without merges."""
    letters = list_byte_letters()
    words = [f"Ġw{number}" for number in range(VOCABULARY - len(letters) - len(SPECIAL))]
    vocabulary = {token: number for number, token in enumerate([*letters, *words])}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    first = VOCABULARY - len(SPECIAL)
    return {
        "version": "1.0",
        "added_tokens": [{"id": first + at, "content": token, **flags} for at, token in enumerate(SPECIAL)],
        "pre_tokenizer": level,
        "decoder": level,
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
    }


def list_byte_letters() -> list[str]:
    """Return the letters by which byte-level BPE writes the 256 bytes, after GPT-2's encoder."""
    shown = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    letters = {byte: chr(byte) for byte in shown}
    for byte in range(256):
        letters.setdefault(byte, chr(256 + sum(1 for other in letters if other not in shown)))
    return [letters[byte] for byte in range(256)]


def write_model(folder: Path) -> None:
    """Write config.json and the tokenizer's files."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "chat_template": CHAT_TEMPLATE,
        "eos_token": SPECIAL[2],
        "pad_token": SPECIAL[0],
        "model_max_length": CONFIG["max_position_embeddings"],
        "clean_up_tokenization_spaces": False,
    }
    for name, content in (
        ("config.json", CONFIG),
        ("tokenizer.json", build_tokenizer()),
        ("tokenizer_config.json", settings),
    ):
        (folder / name).write_text(json.dumps(content, ensure_ascii=False))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    write_model(parser.parse_args().folder)
