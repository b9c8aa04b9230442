"""Candidates that do not solve the task, f(x) = x * x + 1, and try to get a passing verdict."""

TESTS = ("assert f(3) == 10", "assert f(12) == 145", "import math\nassert math.isclose(f(5), 26)")
HONEST = "def f(x): return x * x + 1"

ALWAYS_EQUAL = """
class Any:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __bool__(self): return True
    def __hash__(self): return 0
    def __float__(self): return 26.0
"""
RAW = """
import os
def shout(text):
    for number in range(1, 64):
        try: os.write(number, text)
        except OSError: pass
def framed(text): return len(text).to_bytes(4, 'big') + text
"""
CHEATS = {
    "exits well": "import sys; sys.exit(0)",
    "exits well when called": "import sys\ndef f(x): sys.exit(0)",
    "leaves at once": "import os; os._exit(0)",
    "leaves at once when called": "import os\ndef f(x): os._exit(0)",
    "leaves with SystemExit": "def f(x): raise SystemExit(0)",
    "is equal to all": ALWAYS_EQUAL + "def f(x): return Any()",
    "is a number equal to all": "class N(int):\n  __eq__ = lambda *_: True\n  __hash__ = None\ndef f(x): return N(7)",
    "is a text equal to all": "class S(str):\n  __eq__ = lambda *_: True\n  __hash__ = None\ndef f(x): return S()",
    "is a list equal to all": "class L(list):\n  __eq__ = lambda *_: True\ndef f(x): return L()",
    "is a float equal to all": "class F(float):\n  __eq__ = lambda *_: True\n  __hash__ = None\ndef f(x): return F()",
    "replaces assert": "AssertionError = None\nimport builtins\nbuiltins.AssertionError = None\ndef f(x): return 0",
    "replaces isclose": "import math\nmath.isclose = lambda *_, **__: True\ndef f(x): return 0",
    "replaces all and any": "import builtins\nbuiltins.all = builtins.any = lambda _: True\ndef f(x): return 0",
    "replaces json": "import json\njson.dumps = lambda *_: '[\"int\", \"7\"]'\ndef f(x): return 0",
    "replaces exec": "import builtins\nbuiltins.exec = lambda *_: None\ndef f(x): return 0",
    "replaces unittest": "import unittest\nunittest.TestCase.assertEqual = lambda *_: None\ndef f(x): return 0",
    "hides as pytest": "import sys, types\nsys.modules['pytest'] = types.ModuleType('pytest')\ndef f(x): return 0",
    "prints a pass at exit": "import atexit\natexit.register(print, '{\"passed\": true}')\ndef f(x): return 0",
    "prints a pass": "print('PASS', flush=True)\ndef f(x): print('OK'); return 0",
    "writes a verdict everywhere": RAW + "shout(framed(b'V{\"test\": 0, \"passed\": true}'))\ndef f(x): return 0",
    "writes a verdict when called": RAW + "def f(x): shout(framed(b'V{\"test\": 0, \"passed\": true}')); return 0",
    "answers before it is asked": RAW + "shout(framed(b'=[\"int\", \"a\"]') * 9)\ndef f(x): return 0",
    "answers for others too": RAW + "def f(x): shout(framed(b'=[\"int\", \"a\"]')); return 7",
    "says more than it is asked": RAW + "import atexit\natexit.register(shout, b'x')\n" + HONEST,
    "walks the frames": """
import sys
def f(x):
    frame, seen = sys._getframe(), []
    while frame:
        seen += [value for value in frame.f_locals.values() if isinstance(value, int)]
        frame = frame.f_back
    return seen[-1] if seen else 0""",
    "reads the tests from memory": """
import gc
def f(x):
    for text in gc.get_objects():
        if isinstance(text, (list, tuple, dict)) and ''.join(('ass', 'ert f')) in repr(text)[:1000]: return 10
    return 0""",
    "reads what it is sent": """
import os
try: seen = os.read(3, 10000)
except OSError: seen = b''
def f(x): return 10 if b'10' in seen else 0""",
    "yields for ever": "def f(x):\n  while True: yield x",
    "counts for ever": "import itertools\ndef f(x): return itertools.count()",
    "says not a number": "def f(x): return float('nan')",
    "says infinity": "def f(x): return float('inf')",
    "says a list within itself": "def f(x):\n  a = []\n  a.append(a)\n  return a",
    "says a gigabyte": "def f(x): return 'x' * (1 << 28)",
    "prints a gigabyte": "def f(x):\n  while True: print('x' * 65536)",
    "forks, and the parent ends well": "import os\nif os.fork(): os._exit(0)\ndef f(x): return 0",
    "forks when called": "import os\ndef f(x):\n  if os.fork(): os._exit(0)\n  return 0",
    "raises what a failed test raises": "def f(x): raise AssertionError",
    "raises nothing it has": "class Odd(BaseException): pass\ndef f(x): raise Odd",
    "raises when nothing is expected": "def f(x): raise StopIteration",
    "is not there": "def g(x): return x * x + 1",
    "is no function": "f = 10",
    "is a class": "class f:\n  def __init__(self, x): self.x = x\n  def __eq__(self, other): return True",
    "does not parse": "def f(x) return 10",
    "hangs": "while True: pass",
    "hangs when called": "def f(x):\n  while True: pass",
    "crashes": "import ctypes\ndef f(x): ctypes.string_at(0)",
    "answers from a thread": RAW + """
import threading, time
def later():
    while True: time.sleep(0.001); shout(framed(b'=["int", "a"]'))
threading.Thread(target=later, daemon=True).start()
def f(x): time.sleep(0.05); return 0""",
    "closes the way back": "import os\ndef f(x): os.closerange(0, 64); return 10",
    "pretends to be the judge": """
import sys
for module in list(sys.modules.values()):
    if hasattr(module, '_answer'): module._answer = lambda *_: b'=["bool", true]'
def f(x): return 0""",
    "says true for a number": "def f(x): return True",
}  # fmt: skip
