"""Seeds of a request's decodes."""

import hashlib


def derive_seed(seed: int, index: int) -> int:
    """Return the 32-bit seed of a request's decode number `index`.

    Streams of different indices are independent, and the same request repeats them.
    """
    return int.from_bytes(hashlib.sha256(f"{seed}/{index}".encode()).digest()[:4])
