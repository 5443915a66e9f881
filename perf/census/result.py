"""What the census says of a network: one status, never green by silence. Pure."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from perf.cnn.checks.floors import LayerLoss
from perf.cnn.checks.verify import VerifiedVariant
from perf.cnn.networks import INT8

Status = Literal["agrees", "defect", "differs", "not judged", "not quantised", "could not be prepared"]
FP32 = "mkl-fp32"


class Layer(msgspec.Struct, frozen=True):
    """A quantised layer that loses accuracy."""

    name: Annotated[str, Meta(description="the layer")]
    sqnr_db: Annotated[float, Meta(description="its own SQNR in dB, on the same inputs as in FP32")]
    expected_db: Annotated[float | None, Meta(description="the SQNR in dB that follows from its quantisation steps")]


class NetworkResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the census observed of a network."""

    network: Annotated[str, Meta(description="GluonCV's name, or the user's")]
    machine_class: Annotated[str, Meta(description="machine class that examined it")] = ""
    code: Annotated[str, Meta(description="hash of the code and data that examined it: 12 hex digits")] = ""
    content: Annotated[str, Meta(description="digest of a user's files; empty for GluonCV's networks")] = ""
    status: Annotated[Status, Meta(description="the result in one word or two")]
    reason: Annotated[str, Meta(description="why; empty when it agrees")] = ""
    defects: Annotated[tuple[str, ...], Meta(description="the known defects that explain it")] = ()
    shape: Annotated[tuple[int, ...], Meta(description="channels, height and width of its images")] = ()
    fp32_difference: Annotated[
        float | None, Meta(description="largest difference of an output of mkl-fp32, relative to the largest output")
    ] = None
    sqnr_db: Annotated[float | None, Meta(description="SQNR of the INT8 outputs in dB")] = None
    top1_agreement: Annotated[float | None, Meta(description="fraction of images with the same best class")] = None
    layers: Annotated[tuple[Layer, ...], Meta(description="the layers that lose most, where the SQNR is low")] = ()
    speedups: Annotated[
        dict[str, float], Meta(description="quick speedup over native-fp32 at batch size 1, by variant")
    ] = {}
    disturbed: Annotated[bool, Meta(description="whether other programs disturbed the quick speedups")] = False
    seconds: Annotated[float, Meta(description="how long examining it took")] = 0.0

    @property
    def text(self) -> str:
        """Return the status as it is shown: with the names of defects, or with the reason."""
        if self.status == "defect":
            return f"defect {', '.join(self.defects)}"
        return f"{self.status}: {self.reason}" if self.reason else self.status


def status_of(verified: Mapping[str, VerifiedVariant], no_int8: str | None) -> tuple[Status, str, tuple[str, ...]]:
    """Return the status of a network that was prepared, the reason, and the known defects that explain it.

    `no_int8` says why there is no quantised network. A reason is one line, without MXNet's stack trace. FP32 goes
    before INT8, and what is wrong before what could not be judged.
    """
    for name, variant in verified.items():
        if variant.problem is None:
            continue
        reason = f"{name}: {_first_line(variant.problem.what)}"
        if variant.defects:
            return "defect", reason, variant.defects
        return ("not quantised", _first_line(no_int8), ()) if name == INT8 and no_int8 else ("differs", reason, ())
    for name, variant in verified.items():
        if variant.unjudged:
            return "defect" if variant.defects else "not judged", f"{name}: {variant.unjudged}", variant.defects
    return "agrees", "", ()


def weakest_layers(int8: VerifiedVariant | None, low_sqnr_db: float, count: int) -> tuple[Layer, ...]:
    """Return the layers that lose most, the worst first: some of a network whose SQNR is low, else none."""
    if int8 is None or int8.drift is None or int8.drift.sqnr_db >= low_sqnr_db:
        return ()
    return tuple(_layer(loss) for loss in sorted(int8.losses, key=lambda loss: loss.sqnr_db)[:count])


def _layer(loss: LayerLoss) -> Layer:
    expected = None if loss.expected_db is None else round(loss.expected_db, 1)
    return Layer(loss.name, round(loss.sqnr_db, 1), expected)


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
