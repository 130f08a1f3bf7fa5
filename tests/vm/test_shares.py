"""Real shares and real trouble with them, in one virtual machine; each test is one scenario that ran there.

`BSHM_VM_SCENARIOS=all make vm` runs also those that the short run leaves out, `BSHM_VM_SCENARIOS=NAME,NAME` these.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.support.contracts import Evidence
from tests.vm.machine import Machine, a_disk, missing

_TOOLS = ("blockdev", "dmsetup", "exportfs", "ip", "mount.cifs", "nsenter", "rpcbind", "smbclient", "smbd", "unshare")
pytestmark = [pytest.mark.vm, pytest.mark.skipif(missing(*_TOOLS) is not None, reason=str(missing(*_TOOLS)))]

_RUN_SECONDS = 3600
_SHORT = {
    "remote_writers": ("I1", "P1"), "slow_upload": ("I2",), "taken_names": ("P2", "P9"), "rights": ("P4",),
    "unmounted": ("I7",), "unplugged": ("D6", "L6", "D1"), "samba_killed": ("D6", "L6", "D1"),
    "nfs_stopped": ("D6", "L6", "D1"), "failing_disk": ("D6", "L6", "D1"),
}  # fmt: skip
_LONG = {
    "samba_frozen": ("D6", "L6", "D1"), "samba_stopped": ("D6", "L6", "D1"), "samba_restarted": ("D6", "L6", "D1"),
    "nfs_restarted": ("D6", "L6", "D1"), "two_daemons": ("I3", "D3"), "stopped_while_unplugged": ("O3", "D1", "D4"),
}  # fmt: skip
_ASKED = os.environ.get("BSHM_VM_SCENARIOS", ",".join(_SHORT))
_CHOSEN = {n: c for n, c in {**_SHORT, **_LONG}.items() if _ASKED == "all" or n in _ASKED.split(",")}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the guest said of each scenario, by its name; "last words" for those that it never came to."""
    base = tmp_path_factory.mktemp("vm")
    found: dict[str, Any] = {}
    with Machine(
        "shares", {"scenarios": list(_CHOSEN)}, [a_disk(base / "disk"), a_disk(base / "flaky", 128)]
    ) as machine:
        for line in machine.told(_RUN_SECONDS):
            print(line, flush=True)
            if "scenario" in line:
                found[line["scenario"]] = line
        return {**found, "last words": machine.last_words()}


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.contract(*c)) for n, c in _CHOSEN.items()])
def test_on_a_share(name: str, told: dict[str, Any], evidence: Evidence) -> None:
    assert name in told, told["last words"]
    assert "failed" not in told[name], f"{told[name].get('failed')}\n{told['last words']}"
    evidence(**told[name]["counts"])
