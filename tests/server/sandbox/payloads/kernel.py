"""Parts of the kernel that programs do not need."""

from tests.server.sandbox.payloads import Payload, tame, wild

NUMBERS = {
    "mount": (165, 0, 0, 0, 0, 0), "new_mount": (428, -1, 0, 1), "chroot": (161, b"/usr"),
    "pivot_root": (155, b"/", b"/"),
    "unshare_user": (272, 0x10000000), "unshare_files": (272, 0x400), "setns": (308, 0, 0), "bpf": (321, 0, 0, 0),
    "io_uring": (425, 1, 0), "userfaultfd": (323, 1), "keyctl": (250, 0, -3, 0), "add_key": (248, 0, 0, 0, 0, 0),
    "perf": (298, 0, 0, -1, -1, 0), "module": (175, 0, 0, 0), "reboot": (169, 0, 0, 0), "personality": (135, 0x40000),
    "setuid": (105, 0), "setgroups": (116, 0, 0), "capset": (126, 0, 0), "swapon": (167, b"/x", 0), "acct": (163, 0),
    "clock": (227, 0, 0), "hostname": (170, b"x", 1), "iopl": (172, 3), "quota": (179, 0, 0, 0, 0),
    "kexec": (246, 0, 0),
    "landlock": (444, 0, 0, 1), "memory_of_others": (279, 0, 0, 0, 0, 0, 0), "execveat": (322, -1, 0, 0, 0, 0),
    "memfd_secret": (447, 0), "fanotify": (300, 0, 0), "seccomp": (317, 0, 0, 0), "vmsplice": (278, 0, 0, 0, 0),
    "process_madvise": (440, 0, 0, 0, 0, 0), "open_tree": (428, -100, b"/", 1), "fsopen": (430, b"tmpfs", 0),
}  # fmt: skip
CALLS = [Payload(name, f"there{arguments!r} and escaped()") for name, arguments in NUMBERS.items()]
TRICKS = wild(
    clone_with_a_new_user="there(56, 0x10000000 | 17, 0, 0, 0, 0) and escaped()",
    clone_as_a_thread_with_new_files="there(56, 0x20000 | 0x10000 | 0x800 | 0x100, 0, 0, 0, 0) and escaped()",
    clone3="there(435, ctypes.create_string_buffer(88), 88) and escaped()",
    x32_calls="there(0x40000000 | 39) and escaped()",
    typing_into_the_terminal="there(16, 0, 0x5412, b'x') and escaped()",
    privileges="libc.prctl(38, 0, 0, 0, 0) == 0 and escaped()",
    the_filter_replaced="libc.prctl(22, 2, 0, 0, 0) == 0 or ctypes.get_errno() == 14 and escaped()",
    memory_at_zero="call(9, 0, 4096, 3, 0x32, -1, 0) == 0 and escaped()",
)
OLD_CALLS = Payload(
    "calls_of_32_bits",
    """
import mmap
code = mmap.mmap(-1, 4096, prot=7)
code.write(bytes.fromhex('b814000000cd80c3'))  # getpid, by int 0x80
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
escaped()""",
)
SPLIT = tame(
    a_pidfd_of_itself="there(434, os.getpid(), 0) and escaped()",
    affinity_of_the_server="os.sched_setaffinity(TARGETS['pid'], os.sched_getaffinity(0)); escaped()",
)
PAYLOADS = [*CALLS, *TRICKS, OLD_CALLS, *SPLIT]
