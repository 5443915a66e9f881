"""What names a case in tables, and what its check observed before it was timed: plain data, one structure a family.

Every field carries what it means; docs/reference/fields.md shows it.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from perf.columns import Column, Label


class Drift(msgspec.Struct, frozen=True):
    """How far INT8 outputs are from FP32's on the same images."""

    top1_agreement: Annotated[float, Meta(description="share of images with the same best class")]
    sqnr_db: Annotated[float, Meta(description="signal-to-quantisation-noise ratio in dB, at most 120")]
    cosine: Annotated[float, Meta(description="smallest cosine similarity of an image's two outputs")]
    largest_error: Annotated[
        float, Meta(description="largest difference of a logit, in standard deviations of all FP32 logits")
    ]

    def text(self, *, percent: bool) -> str:  # noqa: ARG002 - perf.columns.Figure
        """Its SQNR and top-1 agreement, in a cell of a table, such as "38.1 dB, 97 %"."""
        return f"{self.sqnr_db:.1f} dB, {100 * self.top1_agreement:.0f} %"


class CnnCheck(msgspec.Struct, frozen=True, tag="cnn"):
    """What the check of a network's variant observed."""

    isa: Annotated[str, Meta(description="kernel that most convolutions ran, in MKL-DNN's own words")]
    operators_fused: Annotated[int, Meta(description="operators that run as fused subgraphs")]
    operators_quantized: Annotated[int, Meta(description="operators that run in INT8")]
    operators_unfused: Annotated[int, Meta(description="operators that fusion could have taken in, and did not")]
    output_difference: Annotated[
        float | None,
        Meta(description="largest difference of an output from the reference's, relative to the largest"),
    ]
    multiply_adds_per_image: Annotated[
        float | None, Meta(description="multiply-adds of convolutions and fully-connected layers")
    ]
    drift: Annotated[
        Drift | None,
        Meta(description="INT8 against FP32"),
        Column(heading="{variant} drift", place=7, others=("cnn",), optional=True),
    ] = None
    unjudged: Annotated[str | None, Meta(description="why nothing shows that its answers are right, or wrong")] = None


class CnnFacts(msgspec.Struct, frozen=True, tag="cnn"):
    """A network at a batch size."""

    network: Annotated[str, Meta(description="GluonCV's name"), Label("Network")]
    batch: Annotated[int, Meta(description="images of a pass"), Label("Batch")]
    flops_per_pass: Annotated[float | None, Meta(description="floating-point operations of a pass: two a multiply-add")]
    check: Annotated[CnnCheck, Meta(description="what its check observed")]


class RnnCheck(msgspec.Struct, frozen=True, tag="rnn"):
    """What the check of a recurrent network's variant observed."""

    isa: Annotated[str, Meta(description="RNN primitives that MKL-DNN ran, or rnn_impl.h: MXNet's own loops")]
    output_difference: Annotated[
        float, Meta(description="largest difference of an output from the equations', as a share of the largest")
    ]
    output_difference_allowed: Annotated[float, Meta(description="what is allowed of it")]


class RnnFacts(msgspec.Struct, frozen=True, tag="rnn"):
    """A recurrent network at a shape."""

    cell: Annotated[str, Meta(description="lstm, gru, rnn_tanh, rnn_relu, or bilstm and the like"), Label("Cell")]
    shape: Annotated[str, Meta(description="batch, steps, input size and hidden size"), Label("Shape [N, T, C, H]")]
    layers: Annotated[int, Meta(description="layers"), Label("Layers")]
    flops_per_pass: Annotated[float | None, Meta(description="floating-point operations of a pass: two a multiply-add")]
    check: Annotated[RnnCheck, Meta(description="what its check observed")]


class TrainingCheck(msgspec.Struct, frozen=True, tag="dist"):
    """What a first training job on as many ranks showed; times are of one step, in seconds."""

    place: Annotated[str, Meta(description="hosts that ranks run on"), Label("Where")]
    link_gbit_per_s: Annotated[float | None, Meta(description="rate of the link between hosts, where it is known")]
    gradient_bytes: Annotated[int, Meta(description="bytes of all gradients")]
    profiled_step_s: Annotated[float, Meta(description="a step while it was profiled")]
    compute_s: Annotated[float, Meta(description="forward and backward pass and update, mean over ranks")]
    slowest_compute_s: Annotated[float, Meta(description="the same of the slowest rank")]
    communication_share: Annotated[
        float,
        Meta(description="share of a step spent in communication not overlapped with compute"),
        Column(heading="{variant} communication", place=6, others=("dist",), percent=True),
    ]
    waiting_share: Annotated[float, Meta(description="share of a step spent waiting for the slowest rank")]
    timeline_s: Annotated[dict[str, float], Meta(description="Horovod's timeline: seconds of a step by activity")]
    allreduce_s: Annotated[dict[str, float], Meta(description="seconds of an allreduce by its bytes")]
    mpi: Annotated[str | None, Meta(description="MPI and its version")]


class TrainingFacts(msgspec.Struct, frozen=True, tag="dist"):
    """A training job on a number of ranks."""

    network: Annotated[str, Meta(description="network of gluon's model zoo"), Label("Network")]
    batch: Annotated[int, Meta(description="images of a step on each rank"), Label("Batch a rank")]
    build: Annotated[str, Meta(description="mkl or native"), Label("Build")]
    ranks: Annotated[int, Meta(description="ranks")]
    check: Annotated[TrainingCheck, Meta(description="what its check observed")]

    @property
    def flops_per_pass(self) -> None:
        """Not counted."""


CheckFacts = CnnCheck | RnnCheck | TrainingCheck
CaseFacts = CnnFacts | RnnFacts | TrainingFacts
