"""Real file servers beside the client in one guest, in a network of their own, and all that can befall them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

ADDRESS = "10.99.0.2"
_RUN = Path("/run/samba")
_SMB_CONF = Path("/run/smb.conf")
_SECONDS = 60


def run(*command: str | Path, deadline_seconds: float = _SECONDS) -> str:
    ended = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=deadline_seconds, check=False
    )
    assert ended.returncode == 0, f"{command}: {ended.returncode} {ended.stdout}{ended.stderr}"
    return ended.stdout


def unmount(point: Path) -> None:
    """As an admin does: where a photo or a rescan is just at work there it is busy, and is asked again."""
    deadline = time.monotonic() + _SECONDS
    while "busy" in (said := _umount(point)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not said, said


def _umount(point: Path) -> str:
    """What it says against it; empty where it is done."""
    ended = subprocess.run(["umount", str(point)], capture_output=True, text=True, timeout=_SECONDS, check=False)
    return "" if ended.returncode == 0 else f"{ended.returncode} {ended.stdout}{ended.stderr}"


class Network:
    """A cable between the client and the servers. Unplugged, packets vanish, and nobody is told."""

    def __init__(self) -> None:
        run("ip", "link", "set", "lo", "up")
        run("ip", "netns", "add", "server")
        run("ip", "link", "add", "client", "type", "veth", "peer", "name", "server", "netns", "server")
        run("ip", "addr", "add", "10.99.0.1/24", "dev", "client")
        run("ip", "link", "set", "client", "up")
        self.at_server("ip", "link", "set", "lo", "up")
        self.at_server("ip", "addr", "add", f"{ADDRESS}/24", "dev", "server")
        self.plug_in()

    def at_server(self, *command: str | Path) -> str:
        return run("nsenter", "--net=/run/netns/server", *command)

    def plug_in(self) -> None:
        self.at_server("ip", "link", "set", "server", "up")

    @contextlib.contextmanager
    def unplugged(self) -> Iterator[None]:
        self.at_server("ip", "link", "set", "server", "down")
        try:
            yield
        finally:
            self.plug_in()


class Samba:
    def __init__(self, network: Network, shares: dict[str, Path]) -> None:
        self._network = network
        _RUN.mkdir()
        for path in shares.values():
            path.mkdir(parents=True)
        _SMB_CONF.write_text(_smb_conf(shares), encoding="utf-8")
        run("modprobe", "cifs")
        self.start()

    def start(self) -> None:
        self._network.at_server("smbd", "-D", "-s", _SMB_CONF)
        _wait_for_port(445)

    def stop(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def mount(self, share: str, point: Path, options: str = "") -> None:
        point.mkdir(parents=True, exist_ok=True)
        how = f"guest,vers=3.1.1,actimeo=1,soft,echo_interval=4,file_mode=0664,dir_mode=0775{options}"
        _until_it_works("mount", "-t", "cifs", f"//{ADDRESS}/{share}", point, "-o", how)

    def _signal(self, number: int) -> None:
        """To every smbd: one for each connection, and the one that waits for more."""
        for pid in _processes("smbd"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if number in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + _SECONDS
            while _processes("smbd"):
                assert time.monotonic() < deadline, "smbd does not end"
                time.sleep(0.05)


class Nfs:
    """The kernel's own server. `stop` and `kill` are one thing for it: its threads end."""

    def __init__(self, network: Network, exported: Path) -> None:
        self._network = network
        exported.mkdir(parents=True)
        run("mount", "-t", "tmpfs", "tmpfs", "/var/lib/nfs")
        for directory in ("sm", "v4recovery", "rpc_pipefs"):
            Path("/var/lib/nfs", directory).mkdir()
        for file in ("etab", "rmtab"):
            Path("/var/lib/nfs", file).touch()
        run("modprobe", "nfsd")
        network.at_server("mount", "-t", "nfsd", "nfsd", "/proc/fs/nfsd")
        network.at_server("rpcbind", "-w")
        network.at_server("exportfs", "-o", "rw,no_root_squash,insecure,fsid=0,no_subtree_check,sync", f"*:{exported}")
        network.at_server("rpc.mountd", "-N", "3")
        self.start()

    def start(self) -> None:
        self._network.at_server("rpc.nfsd", "-N", "3", "-G", "10", "-L", "10", "2")
        _wait_for_port(2049)

    def stop(self) -> None:
        self._network.at_server("rpc.nfsd", "0")

    def mount(self, point: Path) -> None:
        point.mkdir(parents=True, exist_ok=True)
        _until_it_works(
            "mount", "-t", "nfs4", f"{ADDRESS}:/", point, "-o", "vers=4.2,soft,timeo=20,retrans=1,actimeo=1"
        )


class FlakyDisk:
    """An ext4 on a device that can be told to fail every write."""

    _NAME = "flaky"

    def __init__(self, device: Path, point: Path) -> None:
        self._device = device
        self._point = point
        self._sectors = int(run("blockdev", "--getsz", device))
        run("modprobe", "dm-flakey")
        run("dmsetup", "create", "--noudevsync", self._NAME, "--table", self._table("linear"))
        run("dmsetup", "mknodes", self._NAME)
        run("mkfs.ext4", "-q", "-F", self._mapped)
        point.mkdir(parents=True)
        self.mount()

    @contextlib.contextmanager
    def failing(self) -> Iterator[None]:
        self._load(self._table("flakey", "0 3600 1 error_writes"))
        try:
            yield
        finally:
            self._load(self._table("linear"))

    def repair(self) -> None:
        """What an operator does once the disk is well: it must be unmounted for that, with the daemon running."""
        unmount(self._point)
        checked = subprocess.run(["fsck.ext4", "-f", "-y", self._mapped], capture_output=True, text=True, check=False)
        assert checked.returncode in (0, 1), checked.stdout
        self.mount()

    def mount(self) -> None:
        run("mount", "-t", "ext4", "-o", "errors=remount-ro", self._mapped, self._point)

    @property
    def _mapped(self) -> Path:
        return Path("/dev/mapper") / self._NAME

    def _table(self, kind: str, more: str = "") -> str:
        return f"0 {self._sectors} {kind} {self._device} 0 {more}".rstrip()

    def _load(self, table: str) -> None:
        """Without syncing the file system first: a disk does not announce its failure."""
        run("dmsetup", "suspend", "--noudevsync", "--nolockfs", "--noflush", self._NAME)
        run("dmsetup", "load", self._NAME, "--table", table)
        run("dmsetup", "resume", "--noudevsync", self._NAME)


def _until_it_works(*command: str | Path) -> None:
    """A client gives up soon on a server that is slow because the whole machine is."""
    deadline = time.monotonic() + 2 * _SECONDS
    while True:
        try:
            run(*command)
            return
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def _processes(name: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            pid, _, rest = path.read_text().partition(" (")
            command, _, state = rest.rpartition(") ")
            if command == name and not state.startswith("Z"):
                found.append(int(pid))
    return found


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            socket.create_connection((ADDRESS, port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < deadline, f"nobody answers at port {port}"
            time.sleep(0.1)


def _smb_conf(shares: dict[str, Path]) -> str:
    places = ("pid", "lock", "state", "cache", "private", "ncalrpc")
    directories = "".join(
        f" {place} {'dir' if place in ('private', 'ncalrpc') else 'directory'} = {_RUN}\n" for place in places
    )
    sections = "".join(
        f"[{name}]\n path = {path}\n guest ok = yes\n read only = no\n force user = root\n"
        " create mask = 0664\n force create mode = 0664\n directory mask = 0775\n force directory mode = 0775\n"
        for name, path in shares.items()
    )
    return (
        "[global]\n server role = standalone server\n map to guest = Bad User\n guest account = root\n"
        f"{directories} log file = {_RUN}/log\n disable netbios = yes\n smb ports = 445\n load printers = no\n"
        # By default a server remembers a client that is gone, and keeps its files open, for hours.
        f" socket options = TCP_NODELAY SO_KEEPALIVE TCP_KEEPIDLE=5 TCP_KEEPINTVL=3 TCP_KEEPCNT=3\n{sections}"
    )
