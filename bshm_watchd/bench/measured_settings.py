"""What a daemon is configured with while it is measured: as the user's, but in places of its own. Pure."""

from __future__ import annotations

from pathlib import Path

from bshm_watchd.config import HotFolderSettings, OriginalsSettings, PermissionSettings, Settings, output_root
from bshm_watchd.output_settings import OutputSettings

HOT, STATE = "hot", "state"


def measured_settings(settings: Settings, folder: HotFolderSettings, base: Path, bundle: Path) -> Settings:
    """One hot folder, made as `folder` is, below `base`; nothing of the user's is written to.

    What has no part in how fast it is is left out: originals are filed under done/, rights are those of the place, and
    no space is kept in reserve. `bundle`: the directory of the model, wherever the user's state directory is.
    """
    measured = folder.model_copy(
        update={
            "path": base / HOT,
            "outputs": tuple(_own(folder, output, index) for index, output in enumerate(folder.outputs)),
            "originals": OriginalsSettings(done="done"),
            "permissions": PermissionSettings(),
        }
    )
    return Settings(
        version=1,
        state_dir=base / STATE,
        model=settings.model.model_copy(update={"bundle": str(bundle)}),
        batch=settings.batch,
        limits=settings.limits.model_copy(update={"min_free_mib": 0}),
        hot_folders=(measured,),
    )


def without_configuration(state_dir: Path) -> Settings:
    """All that is by default; its hot folder is for `measured_settings` alone."""
    return Settings(
        version=1, state_dir=state_dir, hot_folders=(HotFolderSettings(name="photos", path=Path("/nowhere")),)
    )


def outputs_of(folder: HotFolderSettings) -> list[str]:
    """What is made of each photo, in words: `cutout png`."""
    return [f"{output.kind} {output.format}" for output in folder.outputs]


def _own(folder: HotFolderSettings, output: OutputSettings, index: int) -> OutputSettings:
    """An output of a place of its own is put into the hot folder."""
    if not output.path.startswith("/"):
        return output
    below = output.path.removeprefix(str(output_root(folder, output))).strip("/")
    return output.model_copy(update={"path": f"output-{index + 1}/{below}"})
