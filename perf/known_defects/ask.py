"""Asking one build about one known defect."""

import re
from dataclasses import replace

import msgspec
import numpy as np

from perf.builds import Build, BuildFacts
from perf.builds.releases import quantiser_of, release_of
from perf.cnn.checks.defects import NETWORKS
from perf.cnn.operators.arithmetic import why_unknown_arithmetic
from perf.cnn.operators.base import OperatorCase
from perf.cnn.operators.check import compare_output, expected_output
from perf.cnn.operators.int8 import RELEASES
from perf.cnn.operators.kinds import AnyCase
from perf.cnn.operators.reference import ExactOutput
from perf.cnn.operators.regions import REGIONS, signs_of
from perf.cnn.operators.workers import VARIANTS, OperatorWorkers
from perf.defects import Defect
from perf.errors import WorkerError
from perf.known_defects.answers import Answer
from perf.known_defects.networks import Expanded, Joined, Reused, SmallNetwork
from perf.measure.family import Resources
from perf.rnn.example import CHECK as RNN
from perf.rnn.example import example_of
from perf.rnn.runner import ExampleRunner

# How far an INT8 output may be from FP32's where a release's quantisation steps are not known, as a fraction of the
# largest output. Steps of data, weight and output are 1/127 of their range at most; the examples of INT8 defects are
# wrong by a quarter and more.
ROUGHLY = 0.04
# How the error of a worker begins that is none of MXNet's libraries.
OF_PYTHON = re.compile(r"(?!MXNetError)\w+Error: ")
# The time in MXNet's messages.
TIME = re.compile(r"\[\d\d:\d\d:\d\d\] ")


def ask(name: str, defect: Defect, build: Build, resources: Resources) -> Answer:
    """Run the example of a defect in a build, and return the answer.

    Raises PerfError when the machine does not let a worker start.
    """
    reason = why_not(name, defect, build)
    if reason:
        return Answer("cannot be asked", reason)
    own = replace(resources, build=lambda _: build)
    try:
        return _ask_rnn(defect, own) if defect.check == RNN else _ask_operator(name, defect, own)
    except WorkerError as error:
        return answer_of(error)


def answer_of(error: WorkerError) -> Answer:
    """Return the answer of a build whose worker failed. Errors of MXNet and crashes are failures of the example; any
    other exception is one of Python code around it, which shows nothing of the defect.
    """
    text = TIME.sub("", error.what.strip().splitlines()[0])
    return Answer("cannot be asked" if OF_PYTHON.match(text) else "fails", text)


def why_not(name: str, defect: Defect, build: Build) -> str | None:
    """Return why the example of a defect cannot be run in a build; None if it can."""
    release, _ = release_of(build.facts.mxnet)
    if defect.check == RNN:
        return release.missing.get("rnn")
    if (reason := defect.why_not_on_cpu(build.facts)) or not _quantised(name, defect):
        return reason
    if not build.facts.mkldnn:
        return "INT8 needs MKL-DNN"
    quantiser = quantiser_of(build.facts.mxnet)
    if quantiser is None:
        return release.missing["int8"]
    if not quantiser.takes_negative_data and _unsigned(name, case_of(defect)) is None:
        return "the defect needs negative data, which the release does not quantise"
    return why_unknown_arithmetic()


def _ask_rnn(defect: Defect, resources: Resources) -> Answer:
    with ExampleRunner(resources.build("mkl"), resources) as runner:
        distance = runner.distance(example_of(defect))
    return Answer("fails", f"the outputs {distance.problem}") if distance.too_large else Answer("passes")


def _ask_operator(name: str, defect: Defect, resources: Resources) -> Answer:
    facts = resources.build("mkl").facts
    case = example_for(name, defect, facts)
    variants = _affected(name, case) if facts.mkldnn else ["native-fp32"]
    # In new workers: some defects read foreign memory, whose content is then the same every time.
    with OperatorWorkers(resources) as workers:
        for variant in variants:
            operators, output = workers.run(variant, case)
            if VARIANTS[variant].quantised and not any(operator.quantized for operator in operators):
                return Answer("cannot be asked", "the release leaves the operator in FP32")
            known = facts.mxnet in RELEASES
            known |= not VARIANTS[variant].quantised
            known &= not isinstance(case, SmallNetwork)
            expected = expected_output(case, variant) if known else roughly(case)
            problem = compare_output(variant, output, expected).problem
            if problem:
                return Answer("fails", problem)
    return Answer("passes")


def example_for(name: str, defect: Defect, facts: BuildFacts) -> OperatorCase:
    """Return the example of a defect as a build can be asked: with absolute values where it takes no negative data."""
    case, quantiser = case_of(defect), quantiser_of(facts.mxnet)
    unsigned = quantiser is not None and not quantiser.takes_negative_data and _quantised(name, defect)
    return (unsigned and _unsigned(name, case)) or case


def _unsigned(name: str, case: OperatorCase) -> OperatorCase | None:
    """Return a case with the absolute values of its data; None if the defect does not affect it then, or if an input
    stays negative.
    """
    unsigned = msgspec.structs.replace(case, signed=False)
    return unsigned if _affected(name, unsigned) and not any(signs_of(unsigned).values()) else None


def roughly(case: OperatorCase) -> ExactOutput:
    """Return the FP32 output with the error that any release's quantisation steps allow."""
    values = case.output() if isinstance(case, SmallNetwork) else expected_output(case, "native-fp32").values
    return ExactOutput(values, np.full_like(values, ROUGHLY * np.abs(values).max()))


def _quantised(name: str, defect: Defect) -> bool:
    return any(VARIANTS[variant].quantised for variant in _affected(name, case_of(defect)))


def _affected(name: str, case: OperatorCase) -> list[str]:
    if isinstance(case, SmallNetwork):
        return ["mkl-int8" if isinstance(case, Joined) else "mkl-fp32"]
    return [variant for variant in VARIANTS if REGIONS[name](case, variant, signs_of(case))]


def case_of(defect: Defect) -> OperatorCase:
    """Return the example of a defect that is not of recurrent networks."""
    kinds = Joined | Reused | Expanded if defect.check == NETWORKS else AnyCase
    case: OperatorCase = msgspec.convert(defect.example, kinds)
    return case
