"""Reaching other processes, and outliving the run."""

from tests.server.sandbox.payloads import tame, wild

CALM = tame(
    a_signal="os.kill(TARGETS['pid'], 0); escaped()",
    a_handle="os.pidfd_open(TARGETS['pid']); escaped()",
    limits_of_the_server="import resource; resource.prlimit(TARGETS['pid'], resource.RLIMIT_NOFILE); escaped()",
    priority_of_the_server="os.getpriority(os.PRIO_PROCESS, TARGETS['pid']); escaped()",
    a_child="os.fork() or os._exit(0); escaped()",
    a_program="import subprocess; subprocess.run(['/usr/bin/true'], check=True); escaped()",
    a_pool="import multiprocessing; multiprocessing.Pool(2); escaped()",
    shared_memory_with_a_key="call(29, 4242, 4096, 0o1666) >= 0 and escaped(); call(31, call(29, 4242, 0, 0), 0, 0)",
    a_semaphore="there(64, 4243, 1, 0o1666) and escaped()",
    a_message_queue="there(240, b'/escaped', 0o102, 0o600, 0) and (call(241, b'/escaped'), escaped())",
    watching_files="there(294, 0) and escaped()",
)
WILD = wild(
    signal_to_all="os.kill(-1, signal.SIGUSR2)",
    signal_to_its_parent="os.getppid() and (os.kill(os.getppid(), 0), escaped())",
    tracing="there(101, 16, TARGETS['pid'], 0, 0) and escaped()",
    reading_memory="there(310, TARGETS['pid'], 0, 0, 0, 0, 0) and escaped()",
    writing_memory="there(311, TARGETS['pid'], 0, 0, 0, 0, 0) and escaped()",
    a_copied_descriptor="there(438, 3, 0, 0) and escaped()",
    a_daemon="""
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        escaped(); time.sleep(600)
    os._exit(0)
time.sleep(600)""",
    fork_bomb="""
while True:
    if os.fork() == 0: escaped()""",
    no_death_with_the_parent="libc.prctl(1, 0, 0, 0, 0) == 0 and escaped()",
    another_session="os.setsid(); os.setpgid(0, 0)\nescaped()",
)
PAYLOADS = CALM + WILD
