"""Two daemons on two machines want the same folder of a share. The other machine is pretended: its own id and mount."""

from __future__ import annotations

import signal
from pathlib import Path

from bshm_watchd.ops.asking import ControlError, ask
from tests.e2e.program import Program
from tests.vm.guest.places import OPTIONS, Studio
from tests.vm.guest.servers import Samba

_MACHINE_ID = Path("/run/second-machine-id")
_POINT = Path("/mnt/second")


class _OtherMachine(Program):
    def command(self, *words: str) -> list[str]:
        pretend = f'hostname second && mount --bind {_MACHINE_ID} /etc/machine-id && exec "$@"'
        return ["unshare", "--mount", "--uts", "sh", "-c", pretend, "sh", *super().command(*words)]


def two_daemons(studio: Studio, samba: Samba, base: Path) -> dict[str, int]:
    """The second one holds the folder and says who owns it, takes it when told to, and gives it back when it stops."""
    place, first = studio.places["cifs"], studio.daemon
    assert first is not None
    studio.wait_watching("cifs")
    _MACHINE_ID.write_text("0123456789abcdef0123456789abcdef\n")
    Path("/etc/machine-id").touch()  # a container may have none
    samba.mount("studio", _POINT, ",nosharesock")
    second = _OtherMachine(base, path=str(_POINT / "portraits"), limits={"max_attempts": 1}, **OPTIONS)
    with second.started("run") as process:
        studio.wait(
            lambda: second.folder().get("state") == "owned_elsewhere", f"the second one waits: {second.folder()}"
        )
        assert f"process {first.pid} on " in second.folder()["reason"]
        photos = place.drop(6)
        studio.wait(lambda: place.done() & set(photos), "the first one works")
        studio.wait(lambda: _taken(second), "the second one takes the folder")
        studio.wait(lambda: studio.state("cifs") == "owned_elsewhere", "the first one lets go of it")
        assert "on second since" in studio.program.folder("cifs")["reason"]
        photos += place.drop(4)
        try:
            studio.wait(lambda: set(photos) <= place.done(), "the second one works")
        finally:
            said = [line for line in second.log.read_text().splitlines() if " info " not in line]
            print(second.folder(), place.done() & set(photos), *said, sep="\n", flush=True)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, second.log.read_text()
    photos += place.drop(1)
    studio.wait_done("cifs", photos)
    return {"owners_changed": 2, "photos_dropped": 11, "files_checked": place.check()}


def _taken(second: Program) -> bool:
    try:
        ask(second.state_dir / "control.sock", "folder_take", {"name": "portraits"})
    except ControlError:  # it looks at it just now
        return second.folder().get("state") == "watching"
    return True
