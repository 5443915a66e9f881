"""The checks of a network's answers: each takes a look at the network and says what it found, and what is wrong."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from perf.checks import CheckResult
from perf.cnn.checks.drift import beyond, bounds_of, changed_layers
from perf.cnn.checks.fusion import layers_of
from perf.cnn.checks.golden import GoldenAnswers, GoldenDrift, golden_answers, store_golden
from perf.cnn.checks.layers import layers_sqnr_db
from perf.cnn.checks.verify import Verified, check_layers, verify
from perf.cnn.checks.vnni import DUMP, byte_products, products_text, vnni_problem
from perf.cnn.family import CnnFamily
from perf.cnn.networks import INPUT, catalogue, images_of
from perf.facts import Drift
from perf.measure.family import Resources
from perf.measure.plan import Plan, Program, Workload
from perf.measure.workers.inspection import inspect
from perf.report.charts import write_layer_chart

# Layers that a message names; the picture shows all.
SHOWN_LAYERS = 3


@dataclass(frozen=True)
class NetworkInspection:
    """A network's plan with all variants, and what each of them showed on the same images. `quantisation` is the name
    under which its drift is stored.
    """

    plan: Plan[Program]
    verified: Mapping[str, Verified]
    quantisation: str


def inspect_network(family: CnnFamily, network: str, resources: Resources) -> NetworkInspection:
    """Prepare a network and run all its variants once. PerfError when it cannot be prepared."""
    plan = family.plan(network, family.cases("nightly", [network], [1]), resources)
    return NetworkInspection(plan, verify(plan, resources, family.quantisation), family.quantisation)


def check_drift(look: NetworkInspection, resources: Resources, *, store: bool) -> CheckResult:
    """INT8 against FP32: the outputs of all images, and every layer's, by what is stored of the network. With `store`,
    what is found is stored instead. A failure names the layers where accuracy was lost, the first of them first, and
    leaves a picture of all in the cache. WorkerError when a worker fails.
    """
    network = look.plan.subject
    subject, found = f"{network}, {look.quantisation}", look.verified["mkl-int8"].drift
    if found is None:
        problem = look.verified["mkl-int8"].problem
        return CheckResult("INT8 drift", subject, "-", "", problem.what if problem else "native-fp32 failed")
    layers = layers_sqnr_db(look.plan, resources)
    answers = golden_answers(network)
    if store:
        drift = {**answers.drift, look.quantisation: GoldenDrift(found, layers)}
        store_golden(network, GoldenAnswers(answers.layers, drift))
    stored = None if store else answers.drift.get(look.quantisation)
    if stored is None:
        return _by_floors(look.verified["mkl-int8"], subject, drift_text(found), store=store)
    margins = catalogue().drift_margins
    bounds = bounds_of(stored.outputs, margins)
    problems = beyond(found, bounds)
    changed = changed_layers(layers, stored.layers_sqnr_db, margins.layer_sqnr_db)
    problems += [_layer_text(name, layers, stored.layers_sqnr_db) for name in changed[:SHOWN_LAYERS]]
    if problems:
        picture = resources.cache / f"layers-{network}-{look.quantisation.replace(' ', '-')}.html"
        write_layer_chart(picture, f"{subject}: INT8 against FP32, layer by layer", layers, stored.layers_sqnr_db)
        problems.append(f"{len(changed)} of {len(layers)} layers are not as stored, all in {picture}")
    allowed = f"{drift_text(bounds)}; each of {len(layers)} layers within {margins.layer_sqnr_db:g} dB of stored"
    return CheckResult("INT8 drift", subject, drift_text(found), allowed, "; ".join(problems) or None)


def _by_floors(int8: Verified, subject: str, found: str, *, store: bool) -> CheckResult:
    """What was said of INT8 answers without stored ones: right by floors, wrong, or not judged."""
    if store:
        return CheckResult("INT8 drift", subject, found, "")
    if int8.problem or not int8.unjudged:
        problem = int8.problem.what if int8.problem else None
        return CheckResult("INT8 drift", subject, found, "floors by quantisation steps", problem)
    return CheckResult("INT8 drift", subject, f"{found}: {int8.unjudged}", "")


def drift_text(drift: Drift) -> str:
    """A drift, or its bounds, in one line."""
    return (
        f"SQNR {drift.sqnr_db:.1f} dB, top-1 agreement {drift.top1_agreement:.1%}, cosine {drift.cosine:.4f}, "
        f"largest error {drift.largest_error:.2f} sd"
    )


def _layer_text(name: str, now: Mapping[str, float], then: Mapping[str, float]) -> str:
    told = [f"{layers[name]:.1f} dB" if name in layers else "none" for layers in (now, then)]
    return f"layer {name} by itself {told[0]}, stored {told[1]}"


def check_layers_kept(look: NetworkInspection, *, store: bool) -> CheckResult:
    """What is fused in `mkl-fp32` and quantised in `mkl-int8`, by what is stored; with `store`, it is stored."""
    network = look.plan.subject
    answers = golden_answers(network)
    found = {name: verified.operators for name, verified in look.verified.items()}
    if store:
        layers = {name: dict(layers_of(found[name])) for name in ("mkl-fp32", "mkl-int8")}
        answers = GoldenAnswers(layers, answers.drift)
        store_golden(network, answers)
    problems = [f"{name}: {text}" for name in found for text in check_layers(name, found[name], answers)]
    shown = "; ".join(f"{name}: {layers_text(layers_of(found[name]))}" for name in ("mkl-fp32", "mkl-int8"))
    return CheckResult(
        "fusion", network, shown, "as stored" if answers.layers and not store else "", "; ".join(problems) or None
    )


def layers_text(layers: Mapping[str, tuple[str, ...]]) -> str:
    """How many layers of each kind."""
    return ", ".join(f"{len(names)} {kind}" for kind, names in layers.items())


def check_vnni(look: NetworkInspection, resources: Resources, *, has_vnni: bool) -> CheckResult:
    """Which instructions the INT8 convolutions execute; they must use VNNI where the CPU has it. WorkerError when the
    worker fails.
    """
    (variant,) = (variant for variant in look.plan.variants if variant.name == "mkl-int8")
    arrays = {INPUT: images_of(look.plan)[:1]}
    with tempfile.TemporaryDirectory(dir=resources.scratch) as folder:
        workload = Workload(variant.name, {}, 1, 0.0)
        inspect(variant, [workload], resources, arrays=arrays, variables=DUMP, folder=Path(folder))
        kernels = byte_products(Path(folder)).values()
    found = f"{len(kernels)} INT8 convolutions: {products_text(kernels)}"
    allowed = "vpdpbusd in all" if has_vnni else "the CPU has no VNNI"
    return CheckResult("VNNI", look.plan.subject, found, allowed, vnni_problem(kernels, has_vnni=has_vnni))
