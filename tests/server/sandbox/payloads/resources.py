"""Exceeding the limits. `escaped()` here means that a limit was not enforced."""

from tests.server.sandbox.payloads import wild

PAYLOADS = wild(
    ten_gigabytes="bytearray(10 << 30); escaped()",
    memory_by_and_by="used = []\nwhile sum(map(len, used)) < 1 << 30: used.append(bytearray(16 << 20))\nescaped()",
    memory_by_mmap="import mmap; used = [mmap.mmap(-1, 1 << 28) for _ in range(8)]; escaped()",
    memory_in_threads="""
used = []
def take():
    try: used.append(bytearray(100 << 20))
    except MemoryError: pass
threads = [threading.Thread(target=take) for _ in range(8)]
[thread.start() for thread in threads]; [thread.join() for thread in threads]
sum(map(len, used)) > 512 << 20 and escaped()""",
    larger_limits="""
import resource
for what in range(16):
    try:
        resource.setrlimit(what, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        what in (0, 1, 4, 6, 7, 9) and escaped(what)
    except (OSError, ValueError): pass""",
    descriptors="used = [os.dup(0) for _ in range(70)]; escaped()",
    pipes="used = [os.pipe() for _ in range(40)]; escaped()",
    threads="""
for _ in range(40): threading.Thread(target=time.sleep, args=(9,), daemon=True).start()
escaped(); os._exit(0)""",
    busy="while True: pass",
    busy_and_deaf="""
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True: pass""",
    asleep="time.sleep(600)",
    asleep_and_deaf="""
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
while True:
    try: time.sleep(600)
    except BaseException: pass""",
    stopped="os.kill(os.getpid(), signal.SIGSTOP); time.sleep(600)",
    a_gigabyte_said="while True: os.write(1, b'x' * 65536)",
    a_gigabyte_of_errors="while True: os.write(2, b'x' * 65536)",
    odd_bytes="os.write(1, b'\\x00\\x1b]0;title\\x07\\xff\\xfe' * 100)",
    deep="sys.setrecursionlimit(10 ** 9)\ndef f(): f()\nf()",
    a_huge_number="9 ** 9 ** 9 ** 9",
    a_slow_regex="import re; re.match('(a+)+$', 'a' * 64 + 'b')",
    crash="ctypes.string_at(0)",
    abort="os.abort()",
)
