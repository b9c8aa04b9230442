"""Candidates that solve their task, with tests as people and models write them."""

HONEST: dict[str, tuple[str, list[str]]] = {
    "sum": ("def f(a, b): return a + b", ["assert f(1, 2) == 3", "assert f(-1, 1) == 0", "assert f(a=2, b=3) == 5"]),
    "reverse": (
        "def f(s): return s[::-1]",
        ["assert f('abc') == 'cba'", "assert f('') == ''", "assert f('é漢') == '漢é'"],
    ),
    "large": ("import math\ndef f(n): return math.factorial(n)", ["assert f(2000) % 10**9 == 0", "assert f(5) == 120"]),
    "floats": ("def f(x): return x / 3", ["assert abs(f(1) - 0.3333) < 1e-3", "assert f(0.3) == 0.3 / 3"]),
    "negative zero": ("def f(x): return -x", ["assert str(f(0.0)) == '-0.0'"]),
    "list": ("def f(x): return sorted(x)", ["assert f([3, 1, 2]) == [1, 2, 3]", "assert f([]) == []"]),
    "tuple": ("def f(x): return tuple(x)", ["assert f([1, 2]) == (1, 2)", "assert f([1]) != [1]"]),
    "set": ("def f(x): return set(x)", ["assert f([1, 1, 2]) == {1, 2}", "assert isinstance(f([]), set)"]),
    "frozen set": ("def f(x): return frozenset(x)", ["assert f('ab') == {'a', 'b'}"]),
    "dict": ("def f(x): return {k: len(k) for k in x}", ["assert f(['a', 'bb']) == {'a': 1, 'bb': 2}"]),
    "keys of any kind": (
        "def f(): return {1: 'a', (1, 2): 'b', None: 'c'}",
        ["assert f()[(1, 2)] + f()[None] == 'bc'"],
    ),
    "counter": (
        "from collections import Counter\ndef f(s): return Counter(s)",
        ["assert f('aab') == {'a': 2, 'b': 1}"],
    ),
    "default dict": (
        "from collections import defaultdict\ndef f():\n  d = defaultdict(list); d[1].append(2); return d",
        ["assert f() == {1: [2]}"],
    ),
    "named tuple": (
        "from collections import namedtuple\nP = namedtuple('P', 'x y')\ndef f(): return P(1, 2)",
        ["assert f() == (1, 2)"],
    ),
    "enumeration": ("import enum\nclass E(enum.IntEnum):\n  A = 3\ndef f(): return E.A", ["assert f() == 3"]),
    "nothing": ("def f(x): return None", ["assert f(1) is None", "assert not f(2)"]),
    "truth": ("def f(n): return n % 2 == 0", ["assert f(2) is True", "assert f(3) is False", "assert f(4)"]),
    "bytes": ("def f(b): return bytes(reversed(b))", ["assert f(b'\\x00\\xff') == b'\\xff\\x00'"]),
    "nested": ("def f(x): return [x, [x, (x, {x})]]", ["assert f(1) == [1, [1, (1, {1})]]"]),
    "recursion": ("def f(n): return n if n < 2 else f(n - 1) + f(n - 2)", ["assert f(15) == 610"]),
    "memory between calls": (
        "seen = []\ndef f(x): seen.append(x); return len(seen)",
        ["assert [f(0), f(0)] == [1, 2]"],
    ),
    "a class of its own": (
        "class Stack:\n  def __init__(self): self.a = []\n  def push(self, x): self.a.append(x)\n"
        "def f(xs):\n  s = Stack()\n  for x in xs: s.push(x)\n  return s.a",
        ["assert f([1, 2]) == [1, 2]"],
    ),
    "a data class": (
        "from dataclasses import dataclass\n@dataclass\nclass P:\n  x: int\ndef f(x): return P(x).x + 1",
        ["assert f(1) == 2"],
    ),
    "types": (
        "from typing import List, Optional\ndef f(x: List[int]) -> Optional[int]: return max(x, default=None)",
        ["assert f([1, 3]) == 3", "assert f([]) is None"],
    ),
    "expected error": (
        "def f(x):\n  if x < 0: raise ValueError('negative')\n  return x ** 0.5",
        ["try:\n  f(-1)\n  raise SystemExit\nexcept ValueError: pass", "assert f(4) == 2"],
    ),
    "expected error of a kind of its own": (
        "class Mine(KeyError): pass\ndef f(x): raise Mine(x)",
        ["import unittest\nwith unittest.TestCase().assertRaises(KeyError): f(1)"],
    ),
    "division": ("def f(a, b): return a // b", ["try:\n  f(1, 0)\n  assert 0\nexcept ZeroDivisionError: pass"]),
    "check of a candidate": (
        "def f(x): return x + 1",
        ["def check(candidate):\n  assert candidate(1) == 2\n  assert candidate(5) == 6\n\ncheck(f)"],
    ),
    "loop in a test": ("def f(x): return x * x", ["for n in range(20):\n  assert f(n) == n ** 2"]),
    "reference in a test": (
        "def f(x): return sum(x)",
        ["import random\nx = [random.random() for _ in range(50)]\nassert f(x) == sum(x)"],
    ),
    "several functions": ("def f(x): return g(x) + 1\ndef g(x): return 2 * x", ["assert f(2) == 5 and g(2) == 4"]),
    "a lambda": ("f = lambda x: x or 1", ["assert f(0) == 1"]),
    "a decorator": (
        "from functools import lru_cache\n@lru_cache(None)\ndef f(n): return 1 if n < 2 else f(n - 1) + f(n - 2)",
        ["assert f(90) == 4660046610375530309"],
    ),
    "prints too": (
        "def f(x):\n  print('working on', x)\n  return x",
        ["assert f(1) == 1", "print('fine'); assert f(2) == 2"],
    ),
    "a generator made a list": (
        "def g():\n  yield from range(3)\ndef f(): return list(g())",
        ["assert f() == [0, 1, 2]"],
    ),
    "a main part": ("def f(x): return x\nif __name__ == '__main__': raise SystemExit", ["assert f(1) == 1"]),
    "reads stdin for nothing": ("import sys\nsys.stdin.read()\ndef f(x): return x", ["assert f(1) == 1"]),
    "asyncio": (
        "import asyncio\nasync def g(x):\n  await asyncio.sleep(0)\n  return x\ndef f(x): return asyncio.run(g(x))",
        ["assert f(1) == 1"],
    ),
    "threads": (
        "from concurrent.futures import ThreadPoolExecutor\ndef f(x):\n  with ThreadPoolExecutor(4) as pool:\n"
        "    return list(pool.map(lambda n: n * n, x))",
        ["assert f([1, 2, 3]) == [1, 4, 9]"],
    ),
    "much memory": ("def f(n): return len(bytearray(n))", ["assert f(200 << 20) == 200 << 20"]),
    "regex": ("import re\ndef f(s): return re.findall(r'\\d+', s)", ["assert f('a1b22') == ['1', '22']"]),
    "heap": ("import heapq\ndef f(x, k): return heapq.nlargest(k, x)", ["assert f([1, 9, 5], 2) == [9, 5]"]),
    "decimal": (
        "from decimal import Decimal\ndef f(a, b): return str(Decimal(a) + Decimal(b))",
        ["assert f('0.1', '0.2') == '0.3'"],
    ),
    "infinity as an argument": ("def f(x): return x > 10 ** 9", ["assert f(float('inf'))"]),
    "half a character": ("def f(s): return len(s)", ["assert f('\\ud800') == 1"]),
    "an answer of some size": ("def f(n): return list(range(n))", ["assert f(2000)[-1] == 1999"]),
    "rounding": ("def f(x): return round(x, 2)", ["assert f(2.675) == 2.67", "assert f(1.005) == 1.0"]),
}
