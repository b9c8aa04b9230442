"""Which prefixes a replica has seen recently, and has in its prefix cache therefore."""

from collections import OrderedDict
from dataclasses import dataclass, field

from cogitate.server.engine.remote.prefix_chain import PrefixChain

MAX_PREFIXES_PER_REPLICA = 4096
"""The prefix cache of a replica is thought of as this large: about a megabyte of memory, and 1 to 16 of text."""


@dataclass(slots=True)
class PrefixMemory:
    """The digests of the prefixes that were seen last.

    Of a chain the longest prefix is forgotten first, as an engine evicts its blocks, so that with a prefix all shorter
    ones are known.
    """

    max_prefixes: int = MAX_PREFIXES_PER_REPLICA
    _seen: OrderedDict[bytes, None] = field(default_factory=OrderedDict)

    def add(self, chain: PrefixChain) -> None:
        """Remember all prefixes of a prompt as the ones seen last."""
        for digest in reversed(chain.digests):
            self._seen[digest] = None
            self._seen.move_to_end(digest)
        while len(self._seen) > self.max_prefixes:
            self._seen.popitem(last=False)

    def match(self, chain: PrefixChain) -> int:
        """Return the bytes of the longest prefix of a prompt that was seen."""
        matched = 0
        for digest, size in zip(chain.digests, chain.sizes, strict=True):
            if digest not in self._seen:
                break
            matched = size
        return matched
