"""`make demo`: the real daemon, a fresh hot folder, a few portraits, and a contact sheet of what came out.

Everything lies below demo/, which is made anew each time; only the model's files are kept. With `--photos DIR` the
photos of that directory are copied in instead of the portraits that this script makes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.text import Text
from rich.tree import Tree

from bshm_watchd.bench import drawn
from bshm_watchd.clock import SystemClock
from bshm_watchd.intake.kinds import KINDS
from tests.support import astronaut, contact_sheet

HERE = Path(__file__).resolve().parent.parent / "demo"
BUNDLE = "portrait"
PHOTO_SUFFIXES = {extension for kind in KINDS for extension in kind.extensions}
_OUTPUTS = """    outputs:
      - {kind: cutout, path: "results/{relative_dir}/{stem}.png"}
      - {kind: composite, background: "#ffffff", path: "white/{relative_dir}/{stem}.jpg"}
"""
_COMPOSED = {
    "été (1).JPG": (1080, 1920),
    "standing.png": (1600, 1200),
    "team/anna.jpeg": (1080, 1920),
    "24 megapixels.jpg": (4000, 6000),
}
_START_SECONDS = 120.0
_WORK_SECONDS = 60.0
_WORK_SECONDS_A_PHOTO = 5.0
_STOP_SECONDS = 60.0
_LOOK_SECONDS = 0.5
_MOST_FRAMES = 40
_MOST_NAMES = 25

console = Console(highlight=False, soft_wrap=True)


class DemoFailed(Exception):
    """Something did not go as promised; the message says what, and where to look."""


@dataclass(frozen=True)
class Demo:
    """Where the demo lies, and how its commands are run: with a configuration of its own."""

    root: Path

    @property
    def hot(self) -> Path:
        return self.root / "hot"

    @property
    def photos(self) -> Path:
        """Portraits that the demo made itself, before they are dropped."""
        return self.root / "photos"

    @property
    def config(self) -> Path:
        return self.root / "config.yaml"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def log(self) -> Path:
        return self.root / "daemon.log"

    def command(self, *words: str) -> list[str]:
        return [str(Path(sys.executable).with_name("bshm-watchd")), "--config", str(self.config), *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*words), capture_output=True, text=True, check=False)


def main() -> int:
    arguments = _parser().parse_args()
    demo = Demo(HERE)
    try:
        _check_photos(demo, arguments.photos)
        _prepare(demo)
        if arguments.photos is None:
            _make_portraits(demo.photos)
        with _daemon(demo) as daemon:
            photos = arguments.photos or demo.photos
            _drop_and_wait(demo, daemon, photos)
            _cut_one(demo, _photos_below(photos)[0])
        _show(demo)
    except DemoFailed as problem:
        console.print(f"[red]demo failed:[/] {escape(str(problem))}")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Run the daemon on a few portraits and show what came out.")
    parser.add_argument("--photos", type=Path, help="a directory with photos of your own (they are copied)")
    return parser


# -- before ------------------------------------------------------------------------------------------------


def _prepare(demo: Demo) -> None:
    """A fresh hot folder and state directory, with the model in place."""
    _start_afresh(demo)
    _step(demo, "init", _shown(demo.hot), "--state-dir", _shown(demo.state))
    console.print("[dim]two results a photo, in config.yaml:[/]\n" + escape(_OUTPUTS), end="")
    with demo.config.open("a", encoding="utf-8") as config:
        config.write(_OUTPUTS)
    _step(demo, "model", "fetch", BUNDLE)


def _check_photos(demo: Demo, photos: Path | None) -> None:
    """Before anything is removed: photos that lie where the demo makes everything anew would be lost."""
    if photos is None:
        return
    if not photos.is_dir():
        raise DemoFailed(f"{photos} is not a directory")
    if demo.root in [photos.resolve(), *photos.resolve().parents]:
        raise DemoFailed(f"{photos} lies in {_shown(demo.root)}, which is made anew each time; copy it elsewhere first")


def _start_afresh(demo: Demo) -> None:
    """Remove what an earlier demo left, but for the model's files: they cost a download."""
    demo.state.mkdir(parents=True, exist_ok=True)
    for path in [*demo.root.iterdir(), *demo.state.iterdir()]:
        if path not in (demo.state, demo.state / "models"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _step(demo: Demo, *words: str) -> None:
    console.print(f"[dim]$ bshm-watchd {' '.join(words)}[/]")
    done = demo.run(*words)
    if done.returncode != 0:
        raise DemoFailed(f"bshm-watchd {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


# -- the daemon --------------------------------------------------------------------------------------------


@contextmanager
def _daemon(demo: Demo) -> Iterator[subprocess.Popen[bytes]]:
    """The daemon, ready; stopped at the end as systemd would stop it, and that must succeed."""
    console.print("[dim]$ bshm-watchd run[/]")
    with demo.log.open("wb") as log:
        daemon = subprocess.Popen(demo.command("run"), stdout=log, stderr=log)
    try:
        _wait(demo, daemon, "get ready", _START_SECONDS, lambda status: bool(status["ready"]))
        yield daemon
        daemon.send_signal(signal.SIGTERM)
        code = daemon.wait(_STOP_SECONDS)
    finally:
        if daemon.poll() is None:
            daemon.kill()
            daemon.wait()
    if code != 0:
        raise DemoFailed(f"the daemon ended with {code} after SIGTERM; see {demo.log}")
    console.print("stopped with SIGTERM: exit code 0")


def _wait(
    demo: Demo, daemon: subprocess.Popen[bytes], what: str, seconds: float, enough: Callable[[dict[str, Any]], bool]
) -> None:
    """Until the daemon's own status says so. A daemon that ends meanwhile, or the deadline, fails the demo."""
    clock = SystemClock()
    deadline = clock.monotonic() + seconds
    while not enough(_status(demo)):
        try:
            daemon.wait(_LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            if clock.monotonic() < deadline:
                continue
            raise DemoFailed(f"the daemon did not {what} in {seconds:.0f} s:\n{_tail(demo.log)}") from None
        raise DemoFailed(f"the daemon ended with {daemon.returncode} before it could {what}:\n{_tail(demo.log)}")


def _status(demo: Demo) -> dict[str, Any]:
    """What `status --json` says; not ready while the daemon does not answer yet."""
    answer = demo.run("status", "--json")
    try:
        status: dict[str, Any] = json.loads(answer.stdout)
    except json.JSONDecodeError:
        return {"ready": False, "folders": []}
    return {"ready": False, "folders": []} | status


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])


# -- the photos --------------------------------------------------------------------------------------------


def _drop_and_wait(demo: Demo, daemon: subprocess.Popen[bytes], photos: Path) -> None:
    clock = SystemClock()
    started = clock.monotonic()
    count = _copy_photos(photos, demo.hot / "drop")
    console.print(f"dropped {count} photos into {_shown(demo.hot / 'drop')}")
    seconds = _WORK_SECONDS + count * _WORK_SECONDS_A_PHOTO
    _wait(demo, daemon, f"finish {count} photos", seconds, lambda status: _finished(status) >= count)
    passed = clock.monotonic() - started
    console.print(f"all worked off after {passed:.1f} s, settling included: {count / passed:.2f} photos/s")


def _finished(status: dict[str, Any]) -> int:
    ends = ("done", "review", "rejected", "failed")
    return sum(int(folder.get(end, 0)) for folder in status["folders"] for end in ends)


def _make_portraits(directory: Path) -> None:
    """One sitting of a real person, composed portraits of several sizes, nobody, and a file that is no photo."""
    for title, pixels in astronaut.shoot():
        drawn.save(directory / "astronaut" / f"{title}.jpg", pixels)
    for seed, (name, (height, width)) in enumerate(_COMPOSED.items(), start=1):
        drawn.save(directory / name, drawn.compose(seed, height, width).pixels)
    drawn.save(directory / "nobody is here.jpg", drawn.scene(9, 900, 1200))
    (directory / "not really a photo.jpg").write_text("These are words, not a picture.\n" * 100)


def _copy_photos(photos: Path, drop: Path) -> int:
    found = _photos_below(photos)
    for photo in found:
        target = drop / photo.relative_to(photos)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(photo, target)
    return len(found)


def _photos_below(directory: Path) -> list[Path]:
    found = [p for p in sorted(directory.rglob("*")) if _is_photo(p.relative_to(directory)) and p.is_file()]
    if not found:
        raise DemoFailed(f"there are no photos ({', '.join(sorted(PHOTO_SUFFIXES))}) in {directory}")
    return found


def _is_photo(relative: Path) -> bool:
    """By its name: what the daemon would leave alone must not be waited for."""
    return relative.suffix.lower() in PHOTO_SUFFIXES and not any(part[0] in ".~@" for part in relative.parts)


def _cut_one(demo: Demo, photo: Path) -> None:
    """One photo at once, through the daemon that runs."""
    _step(demo, "matte", _shown(photo), "-o", _shown(demo.root / "one.webp"))


# -- after -------------------------------------------------------------------------------------------------


def _show(demo: Demo) -> None:
    console.print(_tree(demo.hot))
    for place in ("review", "rejected"):
        for sidecar in sorted((demo.hot / place).rglob("*.error.json")):
            said = json.loads(sidecar.read_text())
            console.print(Text(f"{place}: {said['name']}: {said['message']}; {said['what_to_do']}"))
    frames = _frames(demo.hot)
    if not frames:
        raise DemoFailed(f"no result was published; see {demo.log}")
    sheet = demo.root / "contact_sheet.png"
    contact_sheet.draw(frames[:_MOST_FRAMES]).save(sheet)
    console.print(f"[green]look at[/] {_shown(sheet)}")


def _tree(directory: Path) -> Tree:
    tree = Tree(Text(f"{directory.name}/", style="bold"))
    paths = sorted((p for p in directory.iterdir() if not p.name.startswith(".")), key=lambda p: (p.is_file(), p.name))
    for path in paths[:_MOST_NAMES]:
        if path.is_dir():
            tree.add(_tree(path))
        else:
            tree.add(Text(f"{path.name}  ").append(decimal(path.stat().st_size), style="dim"))
    if len(paths) > _MOST_NAMES:
        tree.add(Text(f"and {len(paths) - _MOST_NAMES} more", style="dim"))
    return tree


def _frames(hot: Path) -> list[contact_sheet.Frame]:
    """Each filed original (done/<date>/...) with the cutout of the same relative name and number."""
    frames = []
    for original in sorted((hot / "done").glob("*/**/*")):
        relative = Path(*original.relative_to(hot / "done").parts[1:])
        cutout = hot / "results" / relative.with_suffix(".png")
        if original.is_file() and cutout.is_file():
            frames.append(contact_sheet.Frame(str(relative), original, cutout))
    return frames


def _shown(path: Path) -> str:
    return os.path.relpath(path)


if __name__ == "__main__":
    sys.exit(main())
