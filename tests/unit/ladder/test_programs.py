"""What workloads run: the same everywhere, except what a release lacks."""

from pathlib import Path

import pytest

from perf.cnn.artifacts.prepare import Artifacts
from perf.cnn.artifacts.store import Manifest
from perf.cnn.networks import catalogue
from perf.errors import PerfError
from perf.ladder.data import OperatorNode, tier_named
from perf.ladder.programs import Composition, TrainingProgram, named_workloads, network_program, prepared_workloads
from tests.support.fakes import resources
from tests.unit.ladder.made_ladder import release

NODES = (
    OperatorNode("abs", ("rows",)),
    OperatorNode("Embedding", ("abs", "weight"), {"input_dim": 10, "output_dim": 2}),
)


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    for stem in ("fp32", "int8"):
        (tmp_path / f"{stem}.json").write_text(stem)
        (tmp_path / f"{stem}.params").write_text(stem)
    return Artifacts(tmp_path, Manifest({"network": "made", "mxnet": "1.5.0", "image_size": 32}, {}, {}))


def test_operators_are_composed_in_their_order_by_their_names() -> None:
    composed = Composition(NODES)
    do, arguments = composed.load_request(release("1.5.0", "b").facts.release)
    assert do == "compose"
    assert [(node["name"], node["op"], list(node["inputs"])) for node in arguments["nodes"]] == [
        ("abs", "abs", ["rows"]),
        ("Embedding", "Embedding", ["abs", "weight"]),
    ]
    assert composed.label == "abs() Embedding(input_dim=10, output_dim=2)"


def test_operators_with_other_attributes_are_another_stack() -> None:
    other = OperatorNode("Embedding", ("abs", "weight"), {"input_dim": 10, "output_dim": 4})
    assert Composition((NODES[0], other)).label != Composition(NODES).label


def test_a_network_is_trained_from_the_files_that_it_is_measured_from(artifacts: Artifacts) -> None:
    network = artifacts.program(catalogue().variants["native-fp32"])
    training = TrainingProgram(network)
    oldest = release("1.3.1", "c").facts.release
    assert training.load_request(oldest) == ("load_training", network.load_request(oldest)[1])
    assert network.subgraph is None  # training is never fused
    assert training.label == f"training of {network.label}"


@pytest.mark.parametrize(("version", "subgraph"), [("1.3.1", None), ("1.4.1", "MKLDNN"), ("1.9.1", "MKLDNN")])
def test_a_network_in_fp32_is_fused_where_the_release_can(
    artifacts: Artifacts, tmp_path: Path, version: str, subgraph: str | None
) -> None:
    program = network_program(artifacts, "mkl-fp32", resources(tmp_path), release(version, "c"))
    assert (program.symbol.name, program.subgraph) == ("fp32.json", subgraph)


def test_a_release_without_int8_refuses_a_quantised_network(artifacts: Artifacts, tmp_path: Path) -> None:
    with pytest.raises(PerfError, match="quantisation with MKL-DNN came with"):
        network_program(artifacts, "mkl-int8", resources(tmp_path), release("1.3.1", "c"))


def test_a_network_that_could_not_be_quantised_is_refused(artifacts: Artifacts, tmp_path: Path) -> None:
    without = Artifacts(artifacts.folder, artifacts.manifest, no_int8="it overflowed", quantised_by="b" * 64)
    with pytest.raises(PerfError, match="the network could not be quantised: it overflowed"):
        network_program(without, "mkl-int8", resources(tmp_path), release("1.5.0", "b"))


def test_operators_and_recurrent_networks_need_no_zoo(tmp_path: Path) -> None:
    def refuse(role: str) -> None:
        raise AssertionError(role)

    tier = tier_named("standard")
    names = [named.name for named in named_workloads(tier) if named.kind in {"operator", "recurrent"}]
    prepared = prepared_workloads(tier, names, resources(tmp_path, refuse))  # type: ignore[arg-type]
    assert [workload.name for workload in prepared] == names
    build = release("1.6.0", "c")
    assert all(workload.program(build) is workload.control for workload in prepared)
