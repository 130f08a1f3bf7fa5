"""The first file system of the virtual machine: busybox, a few kernel modules, and what to start.

It mounts the host's root read-only over 9p, lays a file system in memory over it, and starts a program from there: the
guest has the interpreter, the environment and the tools of the host, and can change nothing on it.
"""

from __future__ import annotations

import gzip
import lzma
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

BUSYBOX = Path("/bin/busybox")
REQUEST = "/request.json"  # in the guest: what the host asks of the program

_DIRECTORIES = ("bin", "dev", "lower", "modules", "new", "proc", "sys", "upper")
# In the order in which they are loaded. Those that a kernel has built in, or calls otherwise, are left out.
_MODULES = (
    "drivers/virtio/virtio_ring", "drivers/virtio/virtio", "drivers/virtio/virtio_pci_modern_dev",
    "drivers/virtio/virtio_pci_legacy_dev", "drivers/virtio/virtio_pci", "drivers/block/virtio_blk",
    "fs/netfs/netfs", "fs/fscache/fscache", "net/9p/9pnet", "fs/9p/9p", "net/9p/9pnet_virtio", "fs/overlayfs/overlay",
)  # fmt: skip

_INIT = f"""#!/bin/busybox sh
alias mount='/bin/busybox mount' mkdir='/bin/busybox mkdir' cat='/bin/busybox cat'
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do /bin/busybox insmod /modules/$module 2>/dev/null; done
mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=524288,cache=loose hostroot /lower || exit 1
mount -t tmpfs -o size=3g upper /upper; mkdir /upper/changes /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/changes,workdir=/upper/work root /new || exit 1
cat {REQUEST} > /new{REQUEST}
cat /start > /new/start
mount --move /dev /new/dev; mount --move /proc /new/proc; mount --move /sys /new/sys
exec /bin/busybox switch_root /new /bin/sh /start
"""
# Says that this accelerator truly runs a kernel, and ends.
_NOTHING_INIT = """#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
echo alive > /dev/ttyS0
/bin/busybox poweroff -f
"""


def for_program(modules: Path, start: str, request: str) -> bytes:
    """An initrd that runs the shell script `start` on the host's root; `modules` is /lib/modules/VERSION."""
    found = {f"{Path(name).name}.ko": module for name in _MODULES if (module := _module(modules, name)) is not None}
    files = {f"modules/{name}": module for name, module in found.items()}
    files["modules/order"] = "\n".join(found).encode()
    files |= {"start": start.encode(), REQUEST.lstrip("/"): request.encode()}
    return _packed({**files, "init": _INIT.encode(), "bin/busybox": BUSYBOX.read_bytes()})


def for_nothing() -> bytes:
    return _packed({"init": _NOTHING_INIT.encode(), "bin/busybox": BUSYBOX.read_bytes()})


def can_mount(modules: Path) -> bool:
    """Whether these modules are of a kind that can be loaded here; then all are."""
    return _module(modules, "fs/9p/9p") is not None


def _module(modules: Path, name: str) -> bytes | None:
    path = modules / "kernel" / f"{name}.ko"
    if path.exists():
        return path.read_bytes()
    compressed = path.with_name(f"{path.name}.xz")
    return lzma.decompress(compressed.read_bytes()) if compressed.exists() else None


def _packed(files: Mapping[str, bytes]) -> bytes:
    executable = ("init", "bin/busybox")
    entries = [_entry(name, stat.S_IFDIR | 0o755, b"") for name in _DIRECTORIES]
    entries += [_entry(n, stat.S_IFREG | (0o755 if n in executable else 0o644), c) for n, c in files.items()]
    return gzip.compress(b"".join(_numbered(entries)), compresslevel=1)


_Entry = tuple[str, int, bytes]


def _entry(name: str, mode: int, content: bytes) -> _Entry:
    return name, mode, content


def _numbered(entries: Sequence[_Entry]) -> Iterator[bytes]:
    """The "newc" format of cpio(5): numbers of eight hexadecimal digits; name and content padded to four bytes."""
    for inode, (name, mode, content) in enumerate([*entries, ("TRAILER!!!", 0, b"")], start=1):
        fields = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        yield head + _padding(head) + content + _padding(content)


def _padding(content: bytes) -> bytes:
    return b"\0" * (-len(content) % 4)
