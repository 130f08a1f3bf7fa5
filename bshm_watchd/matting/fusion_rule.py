"""How the alphas of several networks become one, as `bundle.yaml` says it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

_Weight = Annotated[float, Field(gt=0)]


class FusionRule(BaseModel):
    """The weighted mean of all in log-odds, stretched: `low` and below is background, `high` and above is person.

    `weights`: one for each part, in their order; all alike where none are given. `doubt`: a network that is quite sure
    is taken to be wrong this often (alpha from 0 to 1): the smaller, the more a sure one outweighs one that wavers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: tuple[_Weight, ...] = ()
    doubt: float = Field(0.002, gt=0, lt=0.5)
    low: float = Field(ge=0, lt=1)
    high: float = Field(gt=0, le=1)

    @model_validator(mode="after")
    def _rises(self) -> FusionRule:
        if self.low >= self.high:
            raise ValueError("low must be less than high")
        return self
