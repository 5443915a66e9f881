"""Results of a census."""

from typing import Any

from perf.census.result import NetworkResult
from perf.census.state import Header

HEADER = Header(
    conditions={"build mkl": "mxnet-mkl==1.5.0 (0123456789ab)"},
    networks=["alexnet", "resnet18_v1", "vgg11"],
    left_out={"ssd_300": "detection", "fcn": "semantic segmentation", "yolo3": "detection"},
)


def result(network: str, status: Any = "agrees", **facts: Any) -> NetworkResult:
    """A result; `facts` are further fields."""
    here = {"machine_class": "made-2c-1n-avx2", "code": "0123456789ab"}
    return NetworkResult(network=network, status=status, **{**here, **facts})
