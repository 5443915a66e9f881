"""Programs with faults that a check must find."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from perf.builds import process_environment
from perf.measure.plan import Plan, Program, Variant

# Run in a build, with the arguments SOURCE TARGET CODE.
EDIT = """
import sys
import mxnet as mx
source, target, code = sys.argv[1:]
tensors = mx.nd.load(source)
exec(code)
mx.nd.save(target, tensors)
"""


def program_of(variant: Variant[Any]) -> Program:
    """Return the program of a variant of a network."""
    assert isinstance(variant.program, Program)
    return variant.program


def with_parameters(variant: Variant[Any], code: str, folder: Path) -> Variant[Any]:
    """Return the variant with other parameters. `code` edits `tensors`, such as "arg:conv0_weight"."""
    folder.mkdir(exist_ok=True)
    target = folder / "spoiled.params"
    command = [str(variant.build.python), "-c", EDIT, str(program_of(variant).params), str(target), code]
    subprocess.run(command, env=process_environment(variant.build, 1), check=True)
    return replace(variant, program=replace(program_of(variant), params=target))


def with_symbol(variant: Variant[Any], edit: Callable[[dict[str, dict[str, Any]]], None], folder: Path) -> Variant[Any]:
    """Return the variant with another symbol. `edit` changes its nodes, a dictionary by name."""
    target = folder / "spoiled.json"
    symbol = json.loads(program_of(variant).symbol.read_text())
    edit({node["name"]: node for node in symbol["nodes"]})
    target.write_text(json.dumps(symbol))
    return replace(variant, program=replace(program_of(variant), symbol=target))


def with_variant(plan: Plan[Any], variant: Variant[Any]) -> Plan[Any]:
    """Return the plan with this variant instead of the one of the same name."""
    variants = tuple(variant if variant.name == planned.name else planned for planned in plan.variants)
    return replace(plan, variants=variants)
