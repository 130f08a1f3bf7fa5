"""No link is followed in any component below the root, also when somebody swaps directories meanwhile."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bshm_watchd.disk.ops import Disk
from bshm_watchd.disk.walk import open_below, open_or_make, parts
from tests.support.trees import as_ordinary_user

_DEEP = "a/b/c"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / _DEEP).mkdir(parents=True)
    (tmp_path / "outside" / _DEEP).mkdir(parents=True)
    return tmp_path / "root"


@pytest.fixture
def root_fd(root: Path) -> Iterator[int]:
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


class _Walking(Disk):
    """A kernel, or a filter around it, without openat2."""

    def open_beneath(self, dir_fd: int, path: str) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), path)


class _SwappingDisk(_Walking):
    """Does something right before a certain directory is opened: the moment between a look and its use."""

    def __init__(self, name: str, then: Callable[[], None]) -> None:
        self._name = name
        self._then = then

    def enter(self, dir_fd: int, name: str) -> int:
        self._reach(name)
        return super().enter(dir_fd, name)

    def open_directory(self, dir_fd: int, name: str) -> int:
        self._reach(name)
        return super().open_directory(dir_fd, name)

    def _reach(self, name: str) -> None:
        if name == self._name:
            self._then()


@pytest.fixture(params=["openat2", "walk"])
def disk(request: pytest.FixtureRequest, root_fd: int) -> Disk:
    """Both ways of getting there: each test that takes this runs twice."""
    if request.param == "walk":
        return _Walking()
    try:
        os.close(Disk().open_beneath(root_fd, "a/b"))
    except OSError as error:
        pytest.skip(f"openat2: {error.strerror}; it needs Linux 5.6, and no filter against it")
    return Disk()


def _make(parent_fd: int, name: str) -> None:
    os.mkdir(name, dir_fd=parent_fd)


def _open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize(
    ("relative", "names"), [("", ()), ("a", ("a",)), ("a/b", ("a", "b")), ("a//b/", ("a", "b")), ("...", ("...",))]
)
def test_a_relative_path_is_split_into_its_names(relative: str, names: tuple[str, ...]) -> None:
    assert parts(relative) == names


@pytest.mark.contract("P7")
@pytest.mark.parametrize("relative", ["..", "a/../b", "a/..", "/a", ".", "a/./b"])
def test_what_could_leave_the_root_is_refused(relative: str) -> None:
    with pytest.raises(ValueError, match="not a path below the root"):
        parts(relative)


def test_a_directory_below_the_root_is_opened(disk: Disk, root: Path, root_fd: int) -> None:
    with open_below(disk, root_fd, _DEEP) as fd:
        assert os.fstat(fd).st_ino == (root / _DEEP).stat().st_ino
    with open_below(disk, root_fd, "") as fd:
        assert os.fstat(fd).st_ino == root.stat().st_ino


@pytest.mark.contract("P6")
@pytest.mark.parametrize("where", ["outside", "inside"])
@pytest.mark.parametrize("component", ["a", "a/b", "a/b/c"])
def test_a_link_in_any_component_is_an_error(disk: Disk, root: Path, root_fd: int, component: str, where: str) -> None:
    """Also one that leads to another place below the root: it is not the one that was meant."""
    outside, moved = root.parent / "outside" / component, root / "moved"
    (root / component).rename(moved)
    (root / component).symlink_to(outside if where == "outside" else os.path.relpath(moved, (root / component).parent))
    for opened in (open_below(disk, root_fd, _DEEP), open_or_make(disk, root_fd, _DEEP + "/new", _make)):
        with pytest.raises(OSError) as caught, opened:
            pass
        assert caught.value.errno == errno.ENOTDIR
    assert not list(root.parent.rglob("new"))


@pytest.mark.contract("P6")
@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_a_directory_swapped_for_a_link_while_we_walk_is_an_error(root: Path, root_fd: int, name: str) -> None:
    victim = next(root.rglob(name))

    def swap() -> None:
        victim.rename(root / "moved")
        victim.symlink_to(root.parent / "outside" / "a")

    disk = _SwappingDisk(name, swap)
    with pytest.raises(OSError) as caught, open_below(disk, root_fd, _DEEP):
        pass
    assert caught.value.errno == errno.ENOTDIR


@pytest.mark.contract("P6")
def test_a_link_planted_where_a_directory_is_about_to_be_made_leads_nowhere(
    disk: Disk, root: Path, root_fd: int
) -> None:
    outside = root.parent / "outside"

    def plant(parent_fd: int, name: str) -> None:
        os.symlink(outside, name, dir_fd=parent_fd)
        os.mkdir(name, dir_fd=parent_fd)

    with pytest.raises(OSError) as caught, open_or_make(disk, root_fd, "a/new/below", plant):
        pass
    assert caught.value.errno == errno.ENOTDIR
    assert sorted(path.name for path in outside.iterdir()) == ["a"]


@pytest.mark.contract("P6")
def test_a_directory_moved_away_while_it_is_open_is_still_the_one_that_was_meant(
    disk: Disk, root: Path, root_fd: int
) -> None:
    with open_below(disk, root_fd, "a/b") as fd:
        (root / "a/b").rename(root.parent / "elsewhere")
        (root / "a/b").symlink_to(root.parent / "outside")
        _make(fd, "made")
    assert (root.parent / "elsewhere" / "made").is_dir()
    assert not (root.parent / "outside" / "made").exists()


def test_missing_directories_are_made_and_losing_that_race_is_fine(disk: Disk, root: Path, root_fd: int) -> None:
    def make_second(parent_fd: int, name: str) -> None:
        _make(parent_fd, name)
        raise FileExistsError(errno.EEXIST, "somebody was first")

    with open_or_make(disk, root_fd, "a/x/y", make_second) as fd:
        assert os.fstat(fd).st_ino == (root / "a/x/y").stat().st_ino


def test_a_file_where_a_directory_is_needed_is_an_error(disk: Disk, root: Path, root_fd: int) -> None:
    (root / "a/file").write_bytes(b"")
    for opened in (open_below(disk, root_fd, "a/file/x"), open_or_make(disk, root_fd, "a/file/x", _make)):
        with pytest.raises(NotADirectoryError), opened:
            pass


@pytest.mark.parametrize("relative", [_DEEP, "a/missing", "a/b/missing/c"])
def test_no_descriptor_stays_open_however_a_walk_ends(disk: Disk, root_fd: int, relative: str) -> None:
    before = _open_descriptors()
    for _ in range(3):
        try:
            with open_below(disk, root_fd, relative):
                pass
        except FileNotFoundError:
            pass
    assert _open_descriptors() == before


@pytest.mark.contract("P6")
@pytest.mark.parametrize("link", ["/proc/self/fd/{}", "/proc/self/root", "/proc/self/cwd"])
def test_a_link_of_proc_leads_nowhere(disk: Disk, root: Path, root_fd: int, link: str) -> None:
    (root / "a" / "magic").symlink_to(link.format(root_fd))
    with pytest.raises(NotADirectoryError), open_below(disk, root_fd, "a/magic/a"):
        pass
    proc_fd = os.open("/proc/self", os.O_PATH)
    try:
        with pytest.raises(NotADirectoryError), open_below(disk, proc_fd, f"fd/{root_fd}"):
            pass
    finally:
        os.close(proc_fd)


def test_a_path_longer_than_one_call_takes_is_walked(disk: Disk, root: Path, root_fd: int) -> None:
    names = ["n" * 250] * 30
    with open_or_make(disk, root_fd, "/".join(names), _make) as made, open_below(disk, root_fd, "/".join(names)) as fd:
        assert os.fstat(fd).st_ino == os.fstat(made).st_ino
    shutil.rmtree(root / names[0])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become an ordinary user")
def test_on_the_way_only_the_right_to_search_is_needed(disk: Disk, root: Path, root_fd: int) -> None:
    for path, mode in ((root / "a", 0o711), (root / "a/b", 0o711), (root / "a/b/c", 0o755)):
        path.chmod(mode)

    def told(relative: str) -> str:
        try:
            with open_below(disk, root_fd, relative):
                return "opened"
        except PermissionError:
            return "refused"

    assert as_ordinary_user(lambda: f"{told(_DEEP)} {told('a/b')}") == "opened refused"


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EPERM])
def test_a_filter_against_openat2_is_found_out_once_and_walked_around(tmp_path: Path, code: int) -> None:
    """As systemd's RestrictSUIDSGID (ENOSYS) or an older container's (EPERM) says, by strace in their place."""
    if shutil.which("strace") is None:
        pytest.skip("strace (package strace) is not installed")
    (tmp_path / _DEEP).mkdir(parents=True)
    script = (
        "import os, sys\nfrom bshm_watchd.disk.ops import Disk\nfrom bshm_watchd.disk.walk import open_below\n"
        f"for _ in range(3):\n with open_below(Disk(), os.open(sys.argv[1], os.O_PATH), {_DEEP!r}) as fd:\n"
        "  print(os.fstat(fd).st_ino)\n"
    )
    log, error = tmp_path / "log", errno.errorcode[code]
    command = ["strace", "-qq", "-f", "-o", str(log), "-e", "trace=openat2", "-e", f"inject=openat2:error={error}"]
    done = subprocess.run([*command, sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True)
    if "Operation not permitted" in done.stderr and "ptrace" in done.stderr:
        pytest.skip("strace may not trace here: it needs CAP_SYS_PTRACE or kernel.yama.ptrace_scope=0")
    assert done.stdout.split() == [str((tmp_path / _DEEP).stat().st_ino)] * 3, done.stderr
    assert len(log.read_text().splitlines()) == 1
