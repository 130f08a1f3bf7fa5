"""What would make it faster: pure rules over what was found here, the one that is worth most first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

# How many times as fast as f32 a whole photo is, of the bundles that it was measured for: docs/models.md, "INT8".
MEASURED = {("portrait", "int8"): 2.45, ("portrait", "bf16"): 1.85, ("u2netp", "int8"): 2.95, ("u2netp", "bf16"): 1.74}
_FEW_CORES = 2
_ENOUGH_PIXELS = 960  # of the working side: below it single hairs are lost for good


@dataclass(frozen=True, slots=True)
class Situation:
    """What was found, of what the rules ask for.

    `bundle`: its own name; `named`: as the configuration names it, which may be a path.
    `gpu_unused`: why a GPU that there is a sign of is not used, with what to do; None where none is there, or it is
    used. `precisions`: that the bundle can be computed with on its device, whatever `model.runtime` says;
    `fast`: those that the CPU has instructions for, and which. `takes_batches`: on its device, more than one a call.
    `working_side`: of a bundle whose working side can be lowered. `state_on`: the network file system of the state
    directory.
    """

    bundle: str
    named: str
    device: Literal["cpu", "gpu"]
    runtime: str
    precision: str
    precisions: tuple[str, ...]
    has_int8: bool
    fast: dict[str, str]
    cores: int
    cores_of_machine: int
    max_batch: int
    takes_batches: bool
    gpu_unused: str | None = None
    working_side: int | None = None
    state_on: str | None = None


@dataclass(frozen=True, slots=True)
class Advice:
    """`why`: what was found, and what it is worth where that was measured; `how`: the key or the command."""

    what: str
    why: str
    how: str


def advice(found: Situation) -> list[Advice]:
    """Empty where nothing is known that would."""
    return [one for rule in _RULES for one in rule(found)]


def _gpu(found: Situation) -> Iterator[Advice]:
    if found.gpu_unused is not None:
        why, _, how = found.gpu_unused.partition(": ")
        yield Advice("a GPU is there and not used", why, how or "docs/gpu.md says what is missing")


def _half_precision(found: Situation) -> Iterator[Advice]:
    if found.device == "gpu" and found.precision == "f32" and "fp16" in found.precisions:
        yield Advice("fp16", "it computes in f32 on a GPU, where fp16 is what auto means", "model: {precision: auto}")


def _batches(found: Situation) -> Iterator[Advice]:
    if found.device == "gpu" and found.max_batch == 1 and found.takes_batches:
        why = "batch.max_size is 1, and on a GPU photos are faster together"
        yield Advice("batches", why, "batch: {max_size: 4}")


def _int8(found: Situation) -> Iterator[Advice]:
    if found.device != "cpu" or found.precision == "int8":
        return
    if "int8" not in found.precisions or (feature := found.fast.get("int8")) is None:
        return
    why = f"this CPU computes 8 bits fast ({feature}){_worth(found.bundle, 'int8')}"
    key = "model: {precision: int8}" if found.runtime != "tensorflow" else "model: {precision: int8, runtime: auto}"
    if found.has_int8:
        yield Advice("INT8, which is made already", why, key)
    else:
        made = f"bshm-watchd model quantize {found.named} DIR (photos of yours), then {key}"
        yield Advice("INT8", f"{why}; it is judged with your own photos first", made)


def _bf16(found: Situation) -> Iterator[Advice]:
    if found.device != "cpu" or found.precision != "f32":
        return
    if "bf16" in found.precisions and (feature := found.fast.get("bf16")) is not None:
        why = f"this CPU computes bf16 fast ({feature}){_worth(found.bundle, 'bf16')}; a little coarser than f32"
        yield Advice("bf16", why, "model: {precision: bf16}")


def _worth(bundle: str, precision: str) -> str:
    times = MEASURED.get((bundle, precision))
    return f", {times:g} times as fast as f32 where it was measured (docs/models.md)" if times else ""


def _working_side(found: Situation) -> Iterator[Advice]:
    if found.working_side is not None and found.working_side > _ENOUGH_PIXELS:
        why = f"alpha is made at up to {found.working_side} pixels, and time goes with their square; hair gets coarser"
        yield Advice("a smaller working side", why, f"model: {{working_side: {_smaller(found.working_side)}}}")


def _smaller(side: int) -> int:
    """Two thirds, in strides of 32, as all such networks take them."""
    return max(_ENOUGH_PIXELS, side * 2 // 3 // 32 * 32)


def _cores(found: Situation) -> Iterator[Advice]:
    if found.cores < found.cores_of_machine:
        why = f"this process may use {found.cores} of the machine's {found.cores_of_machine} cores"
        yield Advice("all cores", why, "AllowedCPUs=, CPUAffinity= of the service, --cpuset-cpus of the container")
    elif found.cores <= _FEW_CORES:
        shared = "decoding and encoding" if found.device == "gpu" else "the model, decoding and encoding"
        why = f"{shared} share {found.cores} {'core' if found.cores == 1 else 'cores'}"
        yield Advice("more cores", why, "a machine, or a container's --cpus, with more of them")


def _state(found: Situation) -> Iterator[Advice]:
    if found.state_on is not None:
        why = f"the state directory is on {found.state_on}, and each job's moves are written there"
        yield Advice("a local state directory", why, "state_dir: a path on a local disk")


_RULES: tuple[Callable[[Situation], Iterator[Advice]], ...] = (
    _gpu, _half_precision, _batches, _int8, _bf16, _working_side, _cores, _state,
)  # fmt: skip
