"""What names a case in tables, and what its check observed before timing: plain data, one structure for each family.

Every field carries a description, which docs/reference/fields.md shows.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from perf.columns import Column, Label


class Drift(msgspec.Struct, frozen=True):
    """How far INT8 outputs are from the FP32 outputs for the same images."""

    top1_agreement: Annotated[float, Meta(description="fraction of images with the same best class")]
    sqnr_db: Annotated[float, Meta(description="signal-to-quantisation-noise ratio in dB, at most 120")]
    cosine: Annotated[float, Meta(description="smallest cosine similarity of an image's two outputs")]
    largest_error: Annotated[
        float, Meta(description="largest difference of a logit, in standard deviations of all FP32 logits")
    ]

    def text(self, *, percent: bool) -> str:  # noqa: ARG002 - perf.columns.Figure
        """Return its SQNR and top-1 agreement for a cell of a table, such as "38.1 dB, 97 %"."""
        return f"{self.sqnr_db:.1f} dB, {100 * self.top1_agreement:.0f} %"


class LayerCost(msgspec.Struct, frozen=True, array_like=True):
    """What a convolution or a fully-connected layer costs; stored as an array."""

    name: Annotated[str, Meta(description="its name in the network")]
    multiply_adds: Annotated[float, Meta(description="multiply-adds for one image")]
    weights: Annotated[int, Meta(description="number of weights")]
    values: Annotated[float, Meta(description="number of values in its input and its output for one image")]


class CnnCheck(msgspec.Struct, frozen=True, tag="cnn"):
    """What the check of a network's variant observed."""

    isa: Annotated[str, Meta(description="kernel that most convolutions ran, as MKL-DNN names it")]
    operators_fused: Annotated[int, Meta(description="operators that run as fused subgraphs")]
    operators_quantized: Annotated[int, Meta(description="operators that run in INT8")]
    operators_unfused: Annotated[int, Meta(description="operators that fusion could have included, but did not")]
    output_difference: Annotated[
        float | None,
        Meta(description="largest difference of an output from the reference's, relative to the largest output"),
    ]
    multiply_adds_per_image: Annotated[
        float | None, Meta(description="multiply-adds of convolutions and fully-connected layers")
    ]
    drift: Annotated[
        Drift | None,
        Meta(description="INT8 against FP32"),
        Column(heading="{variant} drift", place=7, variants=("cnn",), optional=True),
    ] = None
    unjudged: Annotated[str | None, Meta(description="why its answers could not be judged right or wrong")] = None
    weight_values: Annotated[int | None, Meta(description="number of values in the network's parameters")] = None
    io_values_per_image: Annotated[
        float | None, Meta(description="number of values in the network's input and output for one image")
    ] = None
    layers: Annotated[
        list[LayerCost],
        Meta(description="convolutions and fully-connected layers in their order; empty but for the reference"),
    ] = []


class CnnFacts(msgspec.Struct, frozen=True, tag="cnn"):
    """A network at a batch size."""

    network: Annotated[str, Meta(description="GluonCV's name"), Label("Network")]
    batch: Annotated[int, Meta(description="images in a pass"), Label("Batch")]
    flops_per_pass: Annotated[
        float | None, Meta(description="floating-point operations in a pass: two for each multiply-add")
    ]
    check: Annotated[CnnCheck, Meta(description="what its check observed")]
    bytes_per_pass: Annotated[
        float | None,
        Meta(description="bytes of weights, inputs and outputs, each once: what a pass must move at least"),
    ] = None


class RnnCheck(msgspec.Struct, frozen=True, tag="rnn"):
    """What the check of a recurrent network's variant observed."""

    isa: Annotated[str, Meta(description="RNN primitives that MKL-DNN ran, or rnn_impl.h: MXNet's own loops")]
    output_difference: Annotated[
        float, Meta(description="largest difference of an output from the equations', relative to the largest output")
    ]
    output_difference_allowed: Annotated[float, Meta(description="the largest allowed `output_difference`")]


class RnnFacts(msgspec.Struct, frozen=True, tag="rnn"):
    """A recurrent network at a shape."""

    cell: Annotated[
        str, Meta(description="lstm, gru, rnn_tanh or rnn_relu; bilstm and so on when bidirectional"), Label("Cell")
    ]
    shape: Annotated[str, Meta(description="batch, steps, input size and hidden size"), Label("Shape [N, T, C, H]")]
    layers: Annotated[int, Meta(description="number of layers"), Label("Layers")]
    flops_per_pass: Annotated[
        float | None, Meta(description="floating-point operations in a pass: two for each multiply-add")
    ]
    check: Annotated[RnnCheck, Meta(description="what its check observed")]
    bytes_per_pass: Annotated[
        float | None,
        Meta(description="bytes of weights, inputs and outputs, each once: what a pass must move at least"),
    ] = None


class TrainingCheck(msgspec.Struct, frozen=True, tag="dist"):
    """What a first training job on the same number of ranks showed; times are for one step, in seconds."""

    place: Annotated[str, Meta(description="hosts that the ranks run on"), Label("Where")]
    link_gbit_per_s: Annotated[float | None, Meta(description="rate of the link between hosts; null when unknown")]
    gradient_bytes: Annotated[int, Meta(description="size of all gradients in bytes")]
    profiled_step_s: Annotated[float, Meta(description="duration of a profiled step")]
    compute_s: Annotated[float, Meta(description="forward pass, backward pass and update: mean over ranks")]
    slowest_compute_s: Annotated[float, Meta(description="the same for the slowest rank")]
    communication_share: Annotated[
        float,
        Meta(description="fraction of a step spent in communication not overlapped with compute"),
        Column(heading="{variant} communication", place=6, variants=("dist",), percent=True),
    ]
    waiting_share: Annotated[float, Meta(description="fraction of a step spent waiting for the slowest rank")]
    timeline_s: Annotated[dict[str, float], Meta(description="seconds of a step by activity, from Horovod's timeline")]
    allreduce_s: Annotated[dict[str, float], Meta(description="seconds that an allreduce takes, by its size in bytes")]
    mpi: Annotated[str | None, Meta(description="MPI and its version")]


class TrainingFacts(msgspec.Struct, frozen=True, tag="dist"):
    """A training job on a number of ranks."""

    network: Annotated[str, Meta(description="network of gluon's model zoo"), Label("Network")]
    batch: Annotated[int, Meta(description="images in a step, on each rank"), Label("Batch a rank")]
    build: Annotated[str, Meta(description="mkl or native"), Label("Build")]
    ranks: Annotated[int, Meta(description="number of ranks")]
    check: Annotated[TrainingCheck, Meta(description="what its check observed")]

    @property
    def flops_per_pass(self) -> None:
        """Return None: the operations of a training step are not counted."""

    @property
    def bytes_per_pass(self) -> None:
        """Return None: nor are the bytes that it moves."""


CheckFacts = CnnCheck | RnnCheck | TrainingCheck
CaseFacts = CnnFacts | RnnFacts | TrainingFacts
