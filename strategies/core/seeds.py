"""Seeds of a request's decodes."""

import hashlib


def derive_seed(seed: int, name: int | str) -> int:
    """Return the 32-bit seed of a request's decode, by its number or the name of its branch.

    Streams of different names are independent, and the same request repeats them.
    """
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:4])
