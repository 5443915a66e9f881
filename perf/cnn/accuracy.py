"""The checks of a network's answers that pytest items call: INT8 drift, fusion and VNNI."""

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from perf.builds import BuildFacts
from perf.checks import CheckResult
from perf.cnn.artifacts.releases import NEXT_RELEASE
from perf.cnn.checks.drift import changed_layers, drift_bounds, drift_problems
from perf.cnn.checks.fusion import LayersByKind, layers_by_kind
from perf.cnn.checks.golden import GoldenDrift, ReleaseAnswers, golden_answers, store_golden
from perf.cnn.checks.layers import layers_sqnr_db
from perf.cnn.checks.verify import VerifiedVariant, layer_problems, verify
from perf.cnn.checks.vnni import DUMP, byte_products, products_text, vnni_problem
from perf.cnn.family import CnnFamily
from perf.cnn.networks import INPUT, INT8, catalogue, images_of
from perf.cnn.operators.arithmetic import EXACT, Arithmetic
from perf.errors import UnavailableError
from perf.facts import Drift
from perf.measure.family import Resources
from perf.measure.plan import Plan, Program, Workload
from perf.measure.workers.inspection import inspect
from perf.report.charts import write_layer_chart
from perf.wording import counted

NOT_IN_NAMES = re.compile(r"\W+")
# Layers that a message names; the picture shows all.
SHOWN_LAYERS = 3


@dataclass(frozen=True)
class NetworkInspection:
    """One untimed run of all variants of a network.

    `plan`: the network's plan with all variants. `verified`: what each variant did on the same images, by variant.
    `quantisation`: the name under which the network's drift is stored.
    """

    plan: Plan[Program]
    verified: Mapping[str, VerifiedVariant]
    quantisation: str

    @property
    def facts(self) -> BuildFacts:
        """What is installed in the MKL-DNN build."""
        (int8,) = (variant for variant in self.plan.variants if variant.name == INT8)
        return int8.build.facts


def inspect_network(family: CnnFamily, network: str, resources: Resources) -> NetworkInspection:
    """Prepare a network and run all its variants once.

    Raises PerfError when it cannot be prepared, and UnavailableError when a release cannot run one of its variants.
    """
    plan = family.plan(network, family.cases("nightly", [network], [1]), resources)
    for reason in plan.unavailable.values():
        raise UnavailableError(reason, subject=network, next_step=NEXT_RELEASE)
    return NetworkInspection(plan, verify(plan, resources, family.quantisation), family.quantisation)


def check_drift(inspection: NetworkInspection, resources: Resources, *, store: bool) -> CheckResult:
    """Compare INT8 with FP32, in the outputs of all images and in every layer, by the network's stored answers.

    With `store`, the stored answers are replaced instead. A failure names the layers that lost accuracy, in execution
    order, and leaves a picture of all layers in the cache. Raises WorkerError when a worker fails, and UnavailableError
    when known defects of CPUs like this one are all that is wrong.
    """
    network = inspection.plan.subject
    int8 = inspection.verified["mkl-int8"]
    subject = f"{network}, {inspection.quantisation}"
    if int8.problem and int8.of_cpu:
        raise UnavailableError(int8.problem.what, subject=subject, next_step="see docs/known-defects.md")
    if int8.drift is None:
        return CheckResult("INT8 drift", subject, "-", "", int8.problem.what if int8.problem else "native-fp32 failed")
    layers = layers_sqnr_db(inspection.plan, resources)
    stored, facts = golden_answers(network), inspection.facts
    answers = stored.of(facts)
    if store:
        drift = {**answers.drift, inspection.quantisation: GoldenDrift(int8.drift, layers)}
        store_golden(network, stored.replaced(facts, ReleaseAnswers(answers.layers, drift)))
        return CheckResult("INT8 drift", subject, drift_text(int8.drift), "")
    golden = answers.drift.get(inspection.quantisation)
    if golden is None:
        return _judged_by_floors(int8, subject, drift_text(int8.drift))
    margins = catalogue().drift_margins
    bounds = drift_bounds(golden.outputs, margins)
    problems = drift_problems(int8.drift, bounds)
    changed = changed_layers(layers, golden.layers_sqnr_db, margins.layer_sqnr_db)
    problems += [_layer_text(name, layers, golden.layers_sqnr_db) for name in changed[:SHOWN_LAYERS]]
    if problems:
        picture = resources.cache / f"layers-{network}-{NOT_IN_NAMES.sub('-', inspection.quantisation)}.html"
        write_layer_chart(picture, f"{subject}: INT8 against FP32, layer by layer", layers, golden.layers_sqnr_db)
        problems.append(
            f"{len(changed)} of {counted(len(layers), 'layer')} differ from the stored answers, see {picture}"
        )
    allowed = f"{drift_text(bounds)}; each of {len(layers)} layers within {margins.layer_sqnr_db:g} dB of stored"
    return CheckResult("INT8 drift", subject, drift_text(int8.drift), allowed, "; ".join(problems) or None)


def _judged_by_floors(int8: VerifiedVariant, subject: str, drift: str) -> CheckResult:
    """Return the result of a network without stored answers, which floors judged when it was verified."""
    if int8.problem or not int8.unjudged:
        problem = int8.problem.what if int8.problem else None
        return CheckResult("INT8 drift", subject, drift, "floors by quantisation steps", problem)
    return CheckResult("INT8 drift", subject, f"{drift}: {int8.unjudged}", "")


def drift_text(drift: Drift) -> str:
    """Return a drift, or its bounds, in one line."""
    return (
        f"SQNR {drift.sqnr_db:.1f} dB, top-1 agreement {drift.top1_agreement:.1%}, cosine {drift.cosine:.4f}, "
        f"largest error {drift.largest_error:.2f} sd"
    )


def _layer_text(name: str, layers_db: Mapping[str, float], golden_db: Mapping[str, float]) -> str:
    now, golden = (f"{ratios[name]:.1f} dB" if name in ratios else "missing" for ratios in (layers_db, golden_db))
    return f"layer {name} alone has SQNR {now}, stored {golden}"


def check_fusion(inspection: NetworkInspection, *, store: bool) -> CheckResult:
    """Compare what is fused in `mkl-fp32` and quantised in `mkl-int8` with the network's stored answers.

    With `store`, the stored answers are replaced instead.
    """
    network = inspection.plan.subject
    stored, facts = golden_answers(network), inspection.facts
    answers = stored.of(facts)
    operators = {name: verified.operators for name, verified in inspection.verified.items()}
    layers = {name: layers_by_kind(operators[name]) for name in ("mkl-fp32", "mkl-int8")}
    if store:
        answers = ReleaseAnswers({name: dict(kinds) for name, kinds in layers.items()}, answers.drift)
        store_golden(network, stored.replaced(facts, answers))
    problems = [
        f"{name}: {text}"
        for name in operators
        for text in layer_problems(name, operators[name], answers, fuses=facts.release.fuses)
    ]
    observed = "; ".join(f"{name}: {_layers_text(kinds)}" for name, kinds in layers.items())
    allowed = "as stored" if answers.layers and not store else ""
    return CheckResult("fusion", network, observed, allowed, "; ".join(problems) or None)


def _layers_text(layers: LayersByKind) -> str:
    """Return how many layers there are of each kind."""
    return ", ".join(f"{len(names)} {kind}" for kind, names in layers.items())


def check_vnni(inspection: NetworkInspection, resources: Resources, arithmetic: Arithmetic) -> CheckResult:
    """Check which instructions the INT8 convolutions execute; in the arithmetic of a CPU with VNNI, all must use it.

    Raises WorkerError when the worker fails.
    """
    (variant,) = (variant for variant in inspection.plan.variants if variant.name == "mkl-int8")
    if variant.program.problem:
        return CheckResult("VNNI", inspection.plan.subject, variant.program.problem, "")
    arrays = {INPUT: images_of(inspection.plan)[:1]}
    with tempfile.TemporaryDirectory(dir=resources.scratch) as folder:
        workload = Workload(variant.name, {}, 1, 0.0)
        inspect(variant, [workload], resources, arrays=arrays, variables=DUMP, folder=Path(folder))
        kernels = byte_products(Path(folder), variant.build.facts.release.dumps).values()
    observed = f"{counted(len(kernels), 'INT8 convolution')}: {products_text(kernels)}"
    allowed = "vpdpbusd in all" if arithmetic == EXACT else "the CPU has no VNNI"
    return CheckResult("VNNI", inspection.plan.subject, observed, allowed, vnni_problem(kernels, arithmetic))
