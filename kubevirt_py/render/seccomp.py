"""Seccomp profiles that the node agent lays down for the kubelet, for what RuntimeDefault does not permit."""

from __future__ import annotations

from kubevirt_py.plan import Document

KUBELET_SECCOMP_DIR = "/var/lib/kubelet/seccomp"
PASST_PROFILE = "kubevirt/passt.json"
"""Below the kubelet's directory of profiles."""

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNS, _CLONE_NEWUTS, _CLONE_NEWIPC, _CLONE_NEWPID = 0x00020000, 0x04000000, 0x08000000, 0x20000000
_ALL_NAMESPACES = 0x7E020000

_RUNTIME = """
    clone close close_range dup3 epoll_ctl epoll_pwait epoll_wait execve exit exit_group faccessat faccessat2 fchdir
    fcntl fstat fstatfs futex getcwd getdents64 getpid getppid gettid newfstatat openat openat2 prctl read readlinkat
    rt_sigaction rt_sigprocmask rt_sigreturn sched_getaffinity sched_yield sigaltstack statx tgkill write
"""
"""What a container runtime still does between taking on the profile and starting the program."""
_PROGRAM = """
    access arch_prctl brk capget capset getegid geteuid getgid getrandom getuid lseek madvise mmap mprotect munmap
    nanosleep pread64 prlimit64 readlink rseq set_robust_list set_tid_address setgid setgroups setuid unlink writev
"""
_SANDBOX = "chdir mount pivot_root umount2"
"""passt's own confinement, with `unshare`. It has capabilities for these only in a user namespace of its own, and
gives them up before it meets the guest."""
_NETWORK = """
    accept accept4 bind clock_gettime connect dup2 epoll_create1 eventfd2 getpeername getsockname getsockopt ioctl
    listen pipe2 poll ppoll recvfrom recvmmsg recvmsg sendmmsg sendmsg sendto setsockopt shutdown socket splice tee
    timerfd_create timerfd_gettime timerfd_settime
"""


def passt_profile() -> Document:
    """All that passt and the start of its container need, and nothing else."""
    allowed = {*_RUNTIME.split(), *_PROGRAM.split(), *_SANDBOX.split(), *_NETWORK.split()} - {"clone"}
    threads = {"index": 0, "value": _ALL_NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
    own = _CLONE_NEWNS | _CLONE_NEWUTS | _CLONE_NEWIPC | _CLONE_NEWPID
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 1,
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [
            {"names": sorted(allowed), "action": "SCMP_ACT_ALLOW"},
            {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [threads]},
            *(
                {
                    "names": ["unshare"],
                    "action": "SCMP_ACT_ALLOW",
                    "args": [{"index": 0, "value": flags, "op": "SCMP_CMP_EQ"}],
                }
                for flags in (_CLONE_NEWUSER, own)
            ),
        ],
    }
