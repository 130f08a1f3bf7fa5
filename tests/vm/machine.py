"""A virtual machine that runs one guest program on the host's own files, and can lose its power at any moment.

It needs nothing but the packages that the Makefile lists as VM_PACKAGES, and no right but to read the kernel. Where the
processor's own virtualization does not truly work it is emulated: about ten times as slow.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import queue
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tests.vm import initrd

QEMU = "qemu-system-x86_64"
MARK = "@@ "  # begins each line that a guest program says to the host
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ROOT = Path(__file__).resolve().parents[2]
_CHECKED_SECONDS = 6  # a machine that is not emulated is up in one
_MEMORY_MIB = 3072
_LINES_KEPT = 400


def missing(*tools: str) -> str | None:
    """Why no virtual machine with these tools can run here, and what would bring it; None when one can."""
    wanted = (QEMU, "mkfs.ext4", "modprobe", *tools)
    absent = [tool for tool in wanted if shutil.which(tool, path=_PATH) is None]
    if absent or not initrd.BUSYBOX.exists():
        return f"no virtual machine without {', '.join(absent or ['busybox'])}: make vm installs what is missing"
    if _kernel() is None:
        return "no kernel with modules in /boot that may be read: apt-get install linux-image-amd64, and be root"
    return None


class Machine:
    """Runs `python -m tests.vm.guest PROGRAM` in a guest; `request` is what the program reads, `disks` are raw images.

    Use as a context manager: on the way out the machine is killed. The program speaks in lines of JSON.
    """

    def __init__(self, program: str, request: Mapping[str, Any], disks: Sequence[Path] = ()) -> None:
        self._program = program
        self._request = request
        self._disks = disks
        self._said: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        _compiled()
        with contextlib.ExitStack() as stack:
            base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bshm-watchd-vm-")))
            self._kernel_log = base / "kernel.log"
            self._qemu = subprocess.Popen(
                self._command(base), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            stack.callback(self.cut_power)
            threading.Thread(target=self._listen, daemon=True).start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def told(self, deadline_seconds: float) -> Iterator[dict[str, Any]]:
        """What the program says, as it comes, until the machine is off."""
        deadline = time.monotonic() + deadline_seconds
        while True:
            try:
                line = self._said.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"not over within {deadline_seconds} s; {self.last_words()}") from None
            if line is None:
                return
            yield json.loads(line)

    def wait_for(self, found: Callable[[dict[str, Any]], bool], deadline_seconds: float) -> list[dict[str, Any]]:
        """What the program said, up to the first line that `found` holds of."""
        said = []
        for line in self.told(deadline_seconds):
            said.append(line)
            if found(line):
                return said
        raise AssertionError(f"the machine went off before; {self.last_words()}")

    def cut_power(self) -> None:
        """At once, whatever it is doing: what the guest has not synced is lost with its memory."""
        self._qemu.kill()
        self._qemu.wait()

    def last_words(self) -> str:
        kernel = self._kernel_log.read_text(errors="replace") if self._kernel_log.exists() else ""
        return "its last lines:\n" + "\n".join(self._lines) + "\nand the kernel's:\n" + kernel[-3000:]

    def _listen(self) -> None:
        assert self._qemu.stdout is not None
        for raw in self._qemu.stdout:
            line = raw.decode(errors="replace").rstrip()
            self._lines.append(line)
            _, mark, said = line.partition(MARK)
            if mark:
                self._said.put(said)
        self._said.put(None)

    def _command(self, base: Path) -> list[str]:
        kernel = _kernel()
        assert kernel is not None, missing()
        image = base / "initrd"
        start, request = _start(self._program), json.dumps(self._request)
        image.write_bytes(initrd.for_program(_modules(kernel), start, request))
        command = [*_qemu(accelerator(), kernel, image, self._kernel_log), "-smp", "2", "-m", str(_MEMORY_MIB)]
        command += ["-virtfs", "local,path=/,mount_tag=hostroot,security_model=none,readonly=on,multidevs=remap"]
        for disk in self._disks:
            command += ["-drive", f"file={disk},if=virtio,format=raw,cache=writeback"]
        return command


def a_disk(path: Path, mib: int = 512) -> Path:
    """A raw image with an empty ext4 on it."""
    path.touch()
    os.truncate(path, mib << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", path], check=True, env={"PATH": _PATH})
    return path


@functools.cache
def accelerator() -> str:
    """`kvm` where a kernel truly boots under it, else `tcg`. BSHM_VM_ACCEL says which without a try."""
    if chosen := os.environ.get("BSHM_VM_ACCEL"):
        return chosen
    kernel = _kernel()
    if kernel is None or not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    with tempfile.TemporaryDirectory(prefix="bshm-watchd-vm-") as base:
        image = Path(base) / "initrd"
        image.write_bytes(initrd.for_nothing())
        command = [*_qemu("kvm", kernel, image, Path(base) / "kernel.log"), "-m", "512"]
        with contextlib.suppress(subprocess.TimeoutExpired):
            tried = subprocess.run(command, capture_output=True, timeout=_CHECKED_SECONDS, check=False)
            return "kvm" if b"alive" in tried.stdout else "tcg"
    return "tcg"


@functools.cache
def _compiled() -> None:
    """The guest can't keep what it compiles, and is slow at it."""
    subprocess.run([sys.executable, "-m", "compileall", "-q", "bshm_watchd", "tests"], cwd=_ROOT, check=True)


def _qemu(accelerator: str, kernel: Path, image: Path, kernel_log: Path) -> list[str]:
    how = ["tcg,thread=multi,tb-size=512", "-cpu", "max"] if accelerator == "tcg" else [accelerator, "-cpu", "host"]
    command = [QEMU, "-accel", *how, "-M", "q35", "-display", "none", "-nodefaults", "-no-reboot"]
    command += ["-serial", "stdio", "-serial", f"file:{kernel_log}", "-kernel", str(kernel), "-initrd", str(image)]
    return [*command, "-append", "console=ttyS1 panic=-1 mitigations=off no_timer_check"]


def _kernel() -> Path | None:
    """The newest kernel that can be read and has its modules beside it."""
    kernels = [
        path
        for path in Path("/boot").glob("vmlinuz-*")
        if os.access(path, os.R_OK) and initrd.can_mount(_modules(path))
    ]
    return max(kernels, key=lambda path: path.stat().st_mtime, default=None)


def _modules(kernel: Path) -> Path:
    return Path("/lib/modules") / kernel.name.removeprefix("vmlinuz-")


def _start(program: str) -> str:
    """The first thing that runs on the host's root, as process 1."""
    words = [sys.executable, "-u", "-m", "tests.vm.guest", program]
    return f"""exec </dev/null >/dev/ttyS0 2>&1
export PATH={_PATH} HOME=/ LANG=C.UTF-8
export PYTHONPATH={shlex.quote(str(_ROOT))}
cd {shlex.quote(str(_ROOT))}
{shlex.join(words)}
echo "the program ended with $?"
echo o > /proc/sysrq-trigger
read nothing < /dev/ttyS1
"""
