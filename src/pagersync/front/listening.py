"""The listening socket, and how many files may be open."""

import ctypes
import resource
import socket
import struct
import sys
from typing import Final

OPEN_FILES_WANTED: Final = 65_536
"""More is of no use, and programs that go through all numbers take long where it is a billion."""

SO_ATTACH_FILTER: Final = 26

_ONLY_KNOWN_PEERS: Final = (
    (0x30, 0, 0, 13),  # load the flags of the TCP header
    (0x54, 0, 0, 0x12),  # keep SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN alone?
    (0x06, 0, 0, 0),  # then drop it
    (0x06, 0, 0, 0xFFFF_FFFF),  # else take it
)
"""A classic BPF program for the listening socket: no new connections."""


def raise_open_files() -> int:
    """Let this process open as many files as the system allows; return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_WANTED if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES_WANTED)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return OPEN_FILES_WANTED if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):  # macOS allows less than its hard limit
        return soft
    return wanted


def let_nobody_new_in(listening: socket.socket) -> None:
    """Make the kernel ignore new connections, for all processes that share the socket.

    Who is connected and waits to be accepted stays so. Closing the socket would reset their
    connections, requests and all. Where the system cannot do this, closing does reset them.
    """
    if sys.platform != "linux":
        return
    program = b"".join(struct.pack("HBBI", *each) for each in _ONLY_KNOWN_PEERS)
    buffer = ctypes.create_string_buffer(program, len(program))
    pointer = struct.pack("HL", len(_ONLY_KNOWN_PEERS), ctypes.addressof(buffer))
    try:
        listening.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, pointer)
    except OSError:  # some containers forbid it
        return
