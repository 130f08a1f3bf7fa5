"""A photo with its matte: what every kind of result is made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from bshm_watchd.metadata import Metadata

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Matted:
    """`pixels`: uint8 height x width x 3 RGB; `alpha`: uint8 height x width, 255 is person; `opacity`: the photo's own
    alpha, where it has one. None of them is changed.

    Belongs to the one thread that renders the photo's results, one after another.
    """

    pixels: Bytes
    alpha: Bytes
    metadata: Metadata = field(default_factory=Metadata)
    opacity: Bytes | None = None

    @cached_property
    def foreground(self) -> Bytes:
        """The colours that belong to the person, `pixels` where nothing is soft: estimated once for all results."""
        from bshm_watchd.delivery.foreground import foreground

        return foreground(self.pixels, self.alpha, self.opacity)
