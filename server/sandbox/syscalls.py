"""The system calls of x86-64 that Python programs need. All others return ENOSYS in the sandbox.

The list deliberately excludes calls that create a process, a named file or a named socket; that take another process as
an argument; that change a file's owner, mode, times or attributes (Landlock does not cover these); that use named
shared memory; and all of mount, ptrace, bpf, io_uring, keyctl, userfaultfd, perf, memfd, namespaces and modules.
"""

MACHINE = "x86_64"
AUDIT_ARCH = 0xC000003E

FILES = {
    "read": 0, "write": 1, "open": 2, "close": 3, "stat": 4, "fstat": 5, "lstat": 6, "lseek": 8, "pread64": 17,
    "pwrite64": 18, "readv": 19, "writev": 20, "access": 21, "pipe": 22, "dup": 32, "dup2": 33, "fcntl": 72,
    "getdents": 78, "getcwd": 79, "chdir": 80, "readlink": 89, "getdents64": 217, "openat": 257, "newfstatat": 262,
    "readlinkat": 267, "faccessat": 269, "dup3": 292, "pipe2": 293, "statx": 332, "close_range": 436,
    "faccessat2": 439,
}  # fmt: skip
WAITING = {
    "poll": 7, "select": 23, "epoll_create": 213, "epoll_wait": 232, "epoll_ctl": 233, "pselect6": 270, "ppoll": 271,
    "epoll_pwait": 281, "timerfd_create": 283, "timerfd_settime": 286, "timerfd_gettime": 287, "eventfd2": 290,
    "epoll_create1": 291, "pause": 34, "nanosleep": 35, "getitimer": 36, "alarm": 37, "setitimer": 38,
    "clock_nanosleep": 230, "sched_yield": 24, "futex": 202, "restart_syscall": 219,
}  # fmt: skip
MEMORY = {"mmap": 9, "mprotect": 10, "munmap": 11, "brk": 12, "mremap": 25, "madvise": 28, "membarrier": 324}
SIGNALS = {
    "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "kill": 62, "rt_sigpending": 127,
    "rt_sigtimedwait": 128, "rt_sigsuspend": 130, "sigaltstack": 131, "tgkill": 234,
}  # fmt: skip
SELF = {
    "getpid": 39, "exit": 60, "uname": 63, "umask": 95, "gettimeofday": 96, "getrlimit": 97, "getrusage": 98,
    "times": 100, "getuid": 102, "getgid": 104, "geteuid": 107, "getegid": 108, "getppid": 110, "getpgrp": 111,
    "getgroups": 115, "getresuid": 118, "getresgid": 120, "getpgid": 121, "getsid": 124, "arch_prctl": 158,
    "gettid": 186, "time": 201, "sched_getaffinity": 204, "set_tid_address": 218, "clock_gettime": 228,
    "clock_getres": 229, "exit_group": 231, "set_robust_list": 273, "getcpu": 309, "getrandom": 318, "rseq": 334,
}  # fmt: skip
SOCKETS = {"sendto": 44, "recvfrom": 45, "shutdown": 48, "getsockname": 51, "getpeername": 52, "getsockopt": 55}
"""For socket pairs, the only sockets in the sandbox: asyncio uses one to wake its event loop."""
ALWAYS = {**FILES, **WAITING, **MEMORY, **SIGNALS, **SELF, **SOCKETS}
EXECVE = 59

Condition = tuple[int, int, tuple[int, ...]]
"""An argument's index, a mask of its bits, and the values that the masked bits may have."""
CLONE_THREAD = 0x10000
CLONE_NEW = 0x7E020080
"""All flags of clone that make a namespace."""
CONDITIONAL: dict[str, tuple[int, tuple[Condition, ...]]] = {
    # Threads, no processes.
    "clone": (56, ((0, CLONE_NEW | CLONE_THREAD, (CLONE_THREAD,)),)),
    # TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX.
    "ioctl": (16, ((1, 0xFFFFFFFF, (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)),)),
    # PR_SET_NAME and PR_GET_NAME: a thread's name.
    "prctl": (157, ((0, 0xFFFFFFFF, (15, 16)),)),
    # The calling process's own limits.
    "prlimit64": (302, ((0, 0xFFFFFFFF, (0,)),)),
    # Unix streams: a datagram could be sent to any name.
    "socketpair": (53, ((0, 0xFFFFFFFF, (1,)), (1, 0xF, (1,)))),
}
