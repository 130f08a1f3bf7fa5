"""Hot folders on CIFS and NFS, on a disk that fails, and beside them a local one; real servers, one daemon."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.studio import png, sha256
from tests.vm.guest.console import run_scenarios, say
from tests.vm.guest.owners import two_daemons
from tests.vm.guest.photos import photo
from tests.vm.guest.places import Place, Studio
from tests.vm.guest.servers import ADDRESS, FlakyDisk, Network, Nfs, Samba, run, unmount
from tests.vm.guest.troubles import Pace, survive

_DISK = Path("/mnt/disk")
_SERVER = _DISK / "server"
_MNT = Path("/mnt")
_NFS_MODE = 0o750
_DRAIN_SECONDS = 30 + 15  # the daemon's own deadline, and time to end in


def main(request: dict[str, Any]) -> None:
    """`scenarios`: names of those to run, in their order here."""
    shares = _Shares()
    with shares.studio.running():
        everything = shares.scenarios()
        run_scenarios({name: everything[name] for name in everything if name in request["scenarios"]})
    for line in shares.studio.program.log.read_text(errors="replace").splitlines():
        if " info " not in line:
            print(line, flush=True)


class _Shares:
    def __init__(self) -> None:
        _DISK.mkdir()
        run("mount", "/dev/vda", _DISK)
        self.network = Network()
        self.samba = Samba(self.network, {"studio": _SERVER / "cifs", "plain": _SERVER / "plain"})
        self.nfs = Nfs(self.network, _SERVER / "nfs")
        self.flaky = FlakyDisk(Path("/dev/vdb"), _MNT / "flaky")
        for name in ("cifs", "plain", "nfs"):
            (_SERVER / name / "portraits" / "drop").mkdir(parents=True)
            (_SERVER / name / "portraits").chmod(_NFS_MODE if name == "nfs" else 0o775)
        # What lies below a mount point comes to light when the share is gone.
        (_MNT / "nfs" / "portraits" / "drop").mkdir(parents=True)
        self.samba.mount("studio", _MNT / "cifs")
        self.samba.mount("plain", _MNT / "plain", ",noserverino,nosharesock")
        self.nfs.mount(_MNT / "nfs")
        self.studio = Studio(_DISK / "studio", self._places(), _settings(), self._remount)

    def _places(self) -> list[Place]:
        shared = [
            Place(name, _MNT / name / "portraits", _SERVER / name / "portraits") for name in ("cifs", "plain", "nfs")
        ]
        chmods = [Place(name, _MNT / "cifs" / name, _SERVER / "cifs" / name) for name in ("exact", "strict")]
        return [*shared, *chmods, Place("flaky", _MNT / "flaky" / "portraits", _MNT / "flaky" / "portraits")]

    def scenarios(self) -> dict[str, Callable[[], dict[str, int]]]:
        trouble = partial(survive, self.studio)
        return {
            "remote_writers": self.remote_writers,
            "slow_upload": self.slow_upload,
            "taken_names": self.taken_names,
            "rights": self.rights,
            "unmounted": self.unmounted,
            "unplugged": lambda: trouble(("cifs", "nfs"), self.network.unplugged()),
            "samba_frozen": lambda: trouble(("cifs",), self.samba.frozen()),
            "samba_killed": lambda: trouble(("cifs",), _away(self.samba.kill, self.samba.start)),
            "samba_stopped": lambda: trouble(("cifs",), _away(self.samba.stop, self.samba.start)),
            "samba_restarted": lambda: trouble(("cifs",), _away(self.samba.kill, self.samba.start), noticed=False),
            "nfs_stopped": lambda: trouble(("nfs",), _away(self.nfs.stop, self.nfs.start)),
            "nfs_restarted": lambda: trouble(("nfs",), _away(self.nfs.stop, self.nfs.start), noticed=False),
            "failing_disk": self.failing_disk,
            "two_daemons": lambda: two_daemons(self.studio, self.samba, _DISK / "second"),
            "stopped_while_unplugged": self.stopped_while_unplugged,
        }

    def remote_writers(self) -> dict[str, int]:
        """No event tells of them: polling finds their photos."""
        names = ("cifs", "plain", "nfs")
        self.studio.wait_watching(*names)
        assert not any(self.studio.program.folder(name)["events"] for name in names)
        dropped: dict[str, list[str]] = {}

        def write(name: str) -> None:
            dropped[name] = self.studio.places[name].drop(6)

        _at_once([partial(write, name) for name in names])
        for name in names:
            self.studio.wait_done(name, dropped[name])
        return {"photos_dropped": 18, "files_checked": self._checked(*names)}

    def slow_upload(self) -> dict[str, int]:
        """A photo that looks complete, while its uploader still has it open and adds to it."""
        cifs, fifo = self.studio.places["cifs"], Path("/run/upload")
        begin, rest = png(900_001, 60, 80), os.urandom(200_000)
        cifs.expect("slow.png", begin + rest)
        os.mkfifo(fifo)
        upload = ["smbclient", f"//{ADDRESS}/studio", "-N", "-c", f"put {fifo} portraits/drop/slow.png"]
        with subprocess.Popen(upload, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT) as client:
            with open(fifo, "wb", buffering=0) as writer:
                writer.write(begin)
                marker = cifs.drop(1)  # settled later than the upload looks: the claim was tried meanwhile
                self.studio.wait_done("cifs", marker)
                self.studio.wait_done("cifs", cifs.drop(1))
                assert "slow.png" not in cifs.done()
                assert (cifs.server / "drop" / "slow.png").exists(), "it was taken early"
                writer.write(rest)
            assert client.wait(60) == 0
        self.studio.wait_done("cifs", ["slow.png"])
        (filed,) = cifs.server.glob("done/*/slow.png")
        assert sha256(filed.read_bytes()) == sha256(begin + rest)
        return {"photos_dropped": 3, "files_checked": self._checked("cifs")}

    def taken_names(self) -> dict[str, int]:
        """Somebody's file has the result's name: it stays, and the result takes the next one."""
        for name in ("cifs", "plain", "nfs"):
            place = self.studio.places[name]
            self.studio.wait_done(name, place.drop(1))  # there are results to be in the way of
            foreign = place.server / "results" / "taken.png"
            foreign.write_bytes(b"somebody's own")
            content = photo(910_000 + len(name))
            place.expect("taken.png", content)
            (place.server / "drop" / "taken.png").write_bytes(content)
        for name in ("cifs", "plain", "nfs"):
            place = self.studio.places[name]
            self.studio.wait_done(name, ["taken~2.png"])
            foreign = place.server / "results" / "taken.png"
            assert foreign.read_bytes() == b"somebody's own"
            assert (place.server / "results" / "taken~2.png").exists()
            foreign.unlink()
        return {"photos_dropped": 6, "files_checked": self._checked("cifs", "plain", "nfs")}

    def rights(self) -> dict[str, int]:
        """CIFS takes a mode and does nothing: said once, or the photo fails. NFS does as it is told."""
        exact, strict, nfs = (self.studio.places[name] for name in ("exact", "strict", "nfs"))
        done, failed, result = exact.drop(3), strict.drop(1), nfs.drop(1)
        self.studio.wait_done("exact", done)
        self.studio.wait_done("nfs", result)
        self.studio.wait(lambda: strict.filed("failed") == set(failed), "the strict folder's photo has failed")
        told = self.studio.log_lines("did not take the permissions")
        assert len([line for line in told if "HOT_FOLDER=exact" in line]) == 1, told
        assert not list(strict.server.glob("results/*"))
        assert (nfs.server / "results" / result[0]).stat().st_mode & 0o777 == _NFS_MODE & 0o666
        return {"photos_dropped": 5, "files_checked": self._checked("exact", "strict", "nfs")}

    def unmounted(self) -> dict[str, int]:
        """What lies below the mount point is not the hot folder: nothing there is touched, nothing is made."""
        nfs = self.studio.places["nfs"]
        self.studio.wait_watching("nfs")
        unmount(_MNT / "nfs")
        trap = nfs.client / "drop" / "trap.png"
        trap.write_bytes(photo(920_000))
        self.studio.wait(lambda: self.studio.state("nfs") == "unreachable", "the unmounted folder is unreachable")
        while_away = nfs.drop(1)
        Pace(self.studio).one_photo()
        assert [str(p.relative_to(nfs.client)) for p in nfs.client.rglob("*")] == ["drop", "drop/trap.png"]
        trap.unlink()
        self.nfs.mount(_MNT / "nfs")
        self.studio.wait_done("nfs", while_away)
        return {"unmounts": 1, "photos_dropped": 1, "files_checked": self._checked("nfs")}

    def failing_disk(self) -> dict[str, int]:
        """Every write fails, the file system gives up; the folder waits until the disk is repaired."""
        flaky = self.studio.places["flaky"]
        pace = Pace(self.studio)
        with pace.kept():
            photos = flaky.deliver(6)
            self.studio.wait(flaky.done, "it is in the middle of work")
            with self.flaky.failing():
                flaky_away = ("held", "unreachable")
                self.studio.wait(lambda: self.studio.state("flaky") in flaky_away, "the folder is held")
            self.studio.wait(self._repaired, "the disk is repaired")
            photos += flaky.deliver(2)
            self.studio.wait_done("flaky", photos)
        return {"disk_failures": 1, "photos_dropped": 8, "files_checked": self._checked("flaky")}

    def _repaired(self) -> bool:
        try:
            self.flaky.repair()
        except AssertionError as error:  # the daemon looks into it just now
            say(not_yet=str(error))
            return False
        return True

    def stopped_while_unplugged(self) -> dict[str, int]:
        """SIGTERM while both shares hang; the next life works everything off."""
        names, daemon = ("cifs", "nfs"), self.studio.daemon
        assert daemon is not None
        photos = {name: self.studio.places[name].drop(6) for name in names}
        self.studio.wait(lambda: any(self.studio.places[name].done() & set(photos[name]) for name in names), "it works")
        with self.network.unplugged():
            time.sleep(2)
            began = time.monotonic()
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(_DRAIN_SECONDS) == 0
            say(drained_seconds=round(time.monotonic() - began, 1))
        with self.studio.running():
            for name in names:
                self.studio.wait_done(name, photos[name])
            again = self.studio.daemon
            assert again is not None
            again.send_signal(signal.SIGTERM)
            assert again.wait(_DRAIN_SECONDS) == 0
        return {"server_stops": 1, "photos_dropped": 12, "files_checked": self._checked(*self.studio.places)}

    def _remount(self) -> None:
        unmount(_MNT / "cifs")
        self.samba.mount("studio", _MNT / "cifs")

    def _checked(self, *names: str) -> int:
        return sum(self.studio.places[name].check() for name in names)


def _settings() -> dict[str, dict[str, Any]]:
    mode = {"mode": "0640"}
    return {"exact": {"permissions": mode}, "strict": {"permissions": {**mode, "strict": True}}}


@contextlib.contextmanager
def _away(stop: Callable[[], None], start: Callable[[], None]) -> Iterator[None]:
    stop()
    try:
        yield
    finally:
        start()


def _at_once(works: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
