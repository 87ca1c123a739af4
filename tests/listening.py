"""Which TCP sockets of a process and its children listen, as the kernel has it (proc_net(5), proc_pid_fd(5))."""

from __future__ import annotations

import ipaddress
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Listening(NamedTuple):
    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    port: int
    command: str

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        mapped = getattr(self.address, "ipv4_mapped", None)
        return (mapped or self.address).is_loopback


def listening(root: int) -> list[Listening]:
    holders: dict[str, str] = {}
    for process in tree(root):
        try:
            links = [link.readlink().name for link in (process / "fd").iterdir()]
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:  # it has ended
            continue
        holders |= {link[8:-1]: command for link in links if link.startswith("socket:[")}
    return [found for name in ("tcp", "tcp6") for found in _of(Path("/proc/net", name), holders)]


def tree(root: int) -> Iterator[Path]:
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    waiting = [root]
    while waiting:
        process = waiting.pop()
        waiting += children.get(process, [])
        yield Path("/proc", str(process))


def _of(table: Path, holders: dict[str, str]) -> Iterator[Listening]:
    for line in table.read_text().splitlines()[1:]:
        words = line.split()
        if words[3] == "0A" and words[9] in holders:
            digits, _, port = words[1].partition(":")
            packed = b"".join(struct.pack("=I", int(word, 16)) for word in re.findall(".{8}", digits))
            yield Listening(ipaddress.ip_address(packed), int(port, 16), holders[words[9]])
