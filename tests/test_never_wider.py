"""From its first moment to its last a result is open to nobody who may not have it, whatever decides who may.

Every combination of setgid, default ACL, mode, group and umask, as an ordinary user, looked at after every change.
"""

from __future__ import annotations

import itertools
import os
import shutil
import stat
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bshm_watchd.disk.publish import publish, write_temporary
from bshm_watchd.jobs import Place
from tests.support.contracts import Evidence
from tests.support.trees import NOBODY, TellingDisk, a_job, as_ordinary_user, attached, hot_folder, umask

_STUDIO, _PRESS, _ANNA = 4401, 4402, 4403  # two groups that the daemon's user is in, and somebody else
_OWNER, _USER, _OWN_GROUP, _GROUP, _LIMIT, _OTHERS = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_NO_ID = 0xFFFFFFFF
_ENTRY = struct.Struct("<HHI")
_DEFAULT, _ACCESS = "system.posix_acl_default", "system.posix_acl_access"

Acl = tuple[tuple[int, int, int], ...]
_ACLS: dict[str, Acl] = {
    "none": (),
    "short": ((_OWNER, 7, _NO_ID), (_OWN_GROUP, 5, _NO_ID), (_OTHERS, 0, _NO_ID)),
    "open": ((_OWNER, 7, _NO_ID), (_OWN_GROUP, 7, _NO_ID), (_OTHERS, 7, _NO_ID)),
    "named": (
        (_OWNER, 7, _NO_ID), (_USER, 7, _ANNA), (_OWN_GROUP, 0, _NO_ID), (_GROUP, 5, _PRESS), (_LIMIT, 7, _NO_ID),
        (_OTHERS, 0, _NO_ID),
    ),
    "limited": (
        (_OWNER, 7, _NO_ID), (_USER, 7, _ANNA), (_OWN_GROUP, 7, _NO_ID), (_LIMIT, 4, _NO_ID), (_OTHERS, 4, _NO_ID),
    ),
}  # fmt: skip
_MODES = (None, "0440", "0664", "0604")
_GROUPS = (None, str(NOBODY), str(_STUDIO), str(_PRESS))
_UMASKS = (0o000, 0o077)
_CASES = tuple(itertools.product((False, True), _ACLS, _MODES, _GROUPS, _UMASKS))

Rights = dict[tuple[str, int], int]


def _packed(acl: Acl) -> bytes:
    return struct.pack("<I", 2) + b"".join(itertools.starmap(_ENTRY.pack, acl))


def _rights(path: Path) -> Rights:
    """Who may do what with it, its owner left out: as the kernel would judge each of them."""
    status = path.lstat()
    try:
        acl = {(tag, who): bits for tag, bits, who in _ENTRY.iter_unpack(os.getxattr(path, _ACCESS)[4:])}
    except OSError:
        acl = {}
    mode = stat.S_IMODE(status.st_mode)
    limit = acl.get((_LIMIT, _NO_ID), 7)
    rights = {("others", 0): mode & 7}
    rights["group", status.st_gid] = acl.get((_OWN_GROUP, _NO_ID), mode >> 3 & 7) & limit
    for (tag, who), bits in acl.items():
        if tag in (_USER, _GROUP):
            who_is = ("user" if tag == _USER else "group", who)
            rights[who_is] = rights.get(who_is, 0) | bits & limit
    return rights


def _wider(rights: Rights, final: Rights) -> list[str]:
    whoever = rights.keys() | final.keys()
    now = {who: rights.get(who, rights["others", 0]) for who in whoever}
    then = {who: final.get(who, final["others", 0]) for who in whoever}
    return [f"{who} had {now[who]:o}, gets {then[who]:o}" for who in whoever if now[who] & ~then[who]]


def _publish(base: Path, setgid: bool, acl: str, settings: dict[str, Any]) -> tuple[dict[int, list[Rights]], Path]:
    """A result in a new directory; all that anybody could see of both on the way."""
    seen: dict[int, list[Rights]] = {}

    def look(_: str, __: tuple[Any, ...]) -> None:
        for path in (base / "hot" / "results").rglob("*"):
            seen.setdefault(path.lstat().st_ino, []).append(_rights(path))

    results = hot_folder(base).settings.path / "results"
    results.mkdir()
    os.chown(results, -1, _STUDIO)
    results.chmod(0o2750 if setgid else 0o750)
    if _ACLS[acl]:
        os.setxattr(results, _DEFAULT, _packed(_ACLS[acl]))
    folder = attached(base, TellingDisk(look), permissions=settings)
    result = write_temporary(folder, a_job(folder.settings), 0, "cutout", Place("", "results/sub", "a.png"), b"png")
    publish(folder, result)
    return seen, results / "sub" / "a.png"


def _problems(base: Path) -> Iterator[str]:
    for number, (setgid, acl, mode, group, mask) in enumerate(_CASES):
        settings = {"mode": mode, "directory_mode": mode and "0750", "group": group}
        with umask(mask):
            seen, path = _publish(base / str(number), setgid, acl, settings)
        case = f"setgid {setgid}, acl {acl}, mode {mode}, group {group}, umask {mask:03o}"
        for moments in (seen[path.lstat().st_ino], seen[path.parent.lstat().st_ino]):
            yield from (f"{case}: {wider}" for rights in moments for wider in _wider(rights, moments[-1]))
        yield from (f"{case}: {what}" for what in _wrong_in_the_end(path, setgid, acl, mode, group))
        shutil.rmtree(base / str(number))


def _wrong_in_the_end(path: Path, setgid: bool, acl: str, mode: str | None, group: str | None) -> Iterator[str]:
    """Compared with what the kernel gives to a file that is plainly made there, and then gets the group."""
    status = path.lstat()
    plain = path.parent.parent / "plain"
    with umask(0):
        os.close(os.open(plain, os.O_CREAT | os.O_WRONLY, 0o666))
    os.chown(plain, -1, int(group) if group else -1)
    if status.st_gid != plain.lstat().st_gid:
        yield f"group {status.st_gid}"
    if mode is not None and stat.S_IMODE(status.st_mode) != int(mode, 8):
        yield f"mode {status.st_mode:o}"
    if mode is None and _ACLS[acl] and _rights(path) != _rights(plain):
        yield f"{_rights(path)}, not {_rights(plain)}"
    if bool(path.parent.stat().st_mode & stat.S_ISGID) != setgid:
        yield "setgid was not handed down, or made up"


@pytest.mark.contract("P3", "P4")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs groups to be in, which only root can give to a process")
def test_nobody_has_a_right_before_it_is_known_that_he_may(fast_path: Path, evidence: Evidence) -> None:
    os.chown(fast_path, NOBODY, NOBODY)
    try:
        os.setxattr(fast_path, _DEFAULT, _packed(_ACLS["short"]))
        os.removexattr(fast_path, _DEFAULT)
    except OSError as error:
        pytest.skip(f"no ACLs here: {error.strerror}")
    found = as_ordinary_user(lambda: "\n".join(_problems(fast_path)), groups=[_STUDIO, _PRESS])
    assert found == ""
    evidence(combinations_of_rights=len(_CASES))


@pytest.mark.contract("P3", "P4")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs a group to be in, which only root can give to a process")
def test_a_default_acl_and_a_group_together_give_what_the_acl_says_to_that_group(fast_path: Path) -> None:
    """As the tools show it."""
    if shutil.which("getfacl") is None:
        pytest.skip("getfacl (package acl) is not installed")
    os.chown(fast_path, NOBODY, NOBODY)

    def work() -> str:
        _, path = _publish(fast_path, False, "named", {"group": str(_PRESS)})
        told = [subprocess.run(["getfacl", "-ncp", p], capture_output=True, text=True) for p in (path, path.parent)]
        return f"{path.stat().st_gid}\n" + "\n".join(one.stdout + one.stderr for one in told)

    assert as_ordinary_user(work, groups=[_STUDIO, _PRESS]).split("\n") == [
        f"{_PRESS}",
        "user::rw-", f"user:{_ANNA}:rwx\t#effective:rw-", "group::---", f"group:{_PRESS}:r-x\t#effective:r--",
        "mask::rw-", "other::---", "", "",
        "user::rwx", f"user:{_ANNA}:rwx", "group::---", f"group:{_PRESS}:r-x", "mask::rwx", "other::---",
        "default:user::rwx", f"default:user:{_ANNA}:rwx", "default:group::---", f"default:group:{_PRESS}:r-x",
        "default:mask::rwx", "default:other::---", "", "",
    ]  # fmt: skip
