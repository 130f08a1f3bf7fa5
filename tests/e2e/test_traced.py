"""The real program as an ordinary user without any capability, and every change it asked the kernel for."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.program import Program, wait_until
from tests.support.contracts import Evidence
from tests.support.strangers import as_user
from tests.support.studio import png

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_USER, _STUDIO = 4701, 4702
_CHANGES = (
    "open,openat,openat2,creat,mkdir,mkdirat,mknod,mknodat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,"
    "unlinkat,rmdir,truncate,ftruncate,chmod,fchmod,fchmodat,fchmodat2,chown,lchown,fchown,fchownat,utime,utimes,futimesat,"
    "utimensat,setxattr,lsetxattr,fsetxattr,removexattr,lremovexattr,fremovexattr,socket,bind,mount,umount2,execve"
)
_TRACED = "trace=" + ",".join(f"?{call}" for call in _CHANGES.split(","))  # also where strace does not know one yet
_STRACE = ("-f", "-y", "-qq", "-s", "4096", "-e", "signal=none")
_CALL = re.compile(r"^\d+ +(\w+)\((.*)\) += +(-?\d+)", re.DOTALL)
_UNFINISHED, _RESUMED = " <unfinished ...>", re.compile(r"<\.\.\. \w+ resumed>(.*)")
_WRITES = re.compile(r"O_(WRONLY|RDWR|CREAT|TRUNC|TMPFILE|APPEND)")
_DIRECTORY = re.compile(r"(?:AT_FDCWD|\d+)<([^>]*)>")
_PATH = re.compile(r'"((?:[^"\\]|\\.)*)"')
_OPENS = ("open", "openat", "openat2", "creat")
_NO_CHANGES = ("execve", "socket")
_FAMILY, _ADDRESS = re.compile(r"^\d+ +socket\((\w+), "), re.compile(r"^\d+ +bind\(.*\{(.*)\}, \d+\) += +0$")


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    base = Path("/var/tmp") / f"bshm-watchd-{os.getpid()}"
    base.mkdir(mode=0o755)
    try:
        program = Program(base)
        (base / "tmp").mkdir()
        for path in (base, base / "tmp", program.hot, program.drop):
            os.chown(path, _USER, _STUDIO)
        program.hot.chmod(0o2775)
        program.drop.chmod(0o2775)
        yield program
    finally:
        shutil.rmtree(base)


def _whole_lines(trace: Path) -> Iterator[str]:
    """Calls that another thread's came between stand in two lines."""
    begun: dict[str, str] = {}
    for line in trace.read_text(errors="replace").splitlines():
        pid, _, rest = line.partition(" ")
        if line.endswith(_UNFINISHED):
            begun[pid] = line.removesuffix(_UNFINISHED)
        elif (resumed := _RESUMED.match(rest.strip())) is not None:
            yield begun.pop(pid) + resumed[1]
        else:
            yield line


def _changed_paths(line: str) -> list[str]:
    """The absolute paths that one traced call changed, or was to open for writing; none for one that failed."""
    call = _CALL.match(line)
    if (
        call is None
        or int(call[3]) < 0
        or (call[1] in _OPENS and not _WRITES.search(call[2]))
        or call[1] in _NO_CHANGES
    ):
        return []
    names, directories = _PATH.findall(call[2]), _DIRECTORY.findall(call[2])
    if not names:  # by descriptor alone
        return directories[:1]
    pairs = zip(names, [*directories, *[""] * len(names)], strict=False)
    return [os.path.normpath(os.path.join(directory, name)) for name, directory in pairs]


# A decode child's own: the kernel is to choose it before the daemon where memory runs out.
_OOM = re.compile(r"^/proc/self/oom_score_adj$")
_HARMLESS = (
    _OOM,
    re.compile(r"^/dev/(null|shm/.*)$"),
    re.compile(r"^/memfd:"),
    re.compile(r"^(socket|anon_inode|pipe):"),
)


@pytest.mark.contract("P5", "P7", "S3")
def test_all_that_it_changes_lies_below_its_roots_and_it_has_no_capability(
    program: Program, evidence: Evidence
) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace (package strace) is not installed")
    trace = program.base / "trace"
    traced = ["strace", *_STRACE, "-o", str(trace), "-e", _TRACED]
    started = as_user([*traced, *program.command("run")], _USER, _STUDIO)
    environment = os.environ | {"HOME": str(program.base), "TMPDIR": str(program.base / "tmp")}
    with open(program.log, "wb") as log, subprocess.Popen(started, stdout=log, stderr=log, env=environment) as process:
        try:
            _work(program, process)
            privileges = _privileges_of_all(process.pid)
        finally:
            _end(process)
    assert privileges == {"CapEff": {"0000000000000000"}, "CapPrm": {"0000000000000000"}, "Uid": {f"{_USER}"}}
    assert program.done() == ["a.png", "sub/b.png"], program.log.read_text()
    assert sorted(program.names("rejected")) == ["c.png", "c.png.error.json"]
    calls = list(_whole_lines(trace))
    assert {family[1] for call in calls if (family := _FAMILY.match(call))} == {"AF_UNIX"}
    listens_at = f'sa_family=AF_UNIX, sun_path="{program.state_dir}/control.sock"'
    assert [address[1] for call in calls if (address := _ADDRESS.match(call))] == [listens_at]
    changed = [path for line in calls for path in _changed_paths(line)]
    roots = (f"{program.hot}/", f"{program.state_dir}/", f"{program.state_dir}")
    outside = Counter(path for path in changed if not path.startswith(roots))
    strange = [path for path in outside if not any(harmless.match(path) for harmless in _HARMLESS)]
    print(f"{len(changed)} changes; harmless ones elsewhere: {dict(outside)}")
    assert not strange and len(changed) > 100
    evidence(calls_checked=len(changed))


def _work(program: Program, process: subprocess.Popen[bytes]) -> None:
    wait_until(lambda: program.status().get("ready"), 120, "the daemon is ready", process)
    (program.drop / "sub").mkdir()
    for name, content in (("a.png", png(1)), ("sub/b.png", png(2)), ("c.png", b"no photo")):
        path = program.drop / name
        path.write_bytes(content)
        for one in (path, path.parent):
            os.chown(one, _USER + 1, _STUDIO)
            one.chmod(0o2775 if one.is_dir() else 0o664)
    program.wait_done(2, 120, process)
    wait_until(lambda: len(program.names("rejected")) == 2, 60, "the other is rejected", process)


def _privileges_of_all(pid: int) -> dict[str, set[str]]:
    """Of the program and its children; of strace and whoever started it nothing is asked."""
    found: dict[str, set[str]] = {"CapEff": set(), "CapPrm": set(), "Uid": set()}
    for process in _family(pid):
        lines = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
        for name, values in found.items():
            values.update(lines[name].split())
    return found


def _family(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from _family(int(child))


def _end(process: subprocess.Popen[bytes]) -> None:
    """strace ends with what it traces."""
    for child in list(_family(process.pid))[1:2]:
        os.kill(child, signal.SIGTERM)
    try:
        process.wait(60)
    finally:
        if process.poll() is None:
            for child in reversed(list(_family(process.pid))):
                os.kill(child, signal.SIGKILL)
