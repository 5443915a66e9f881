"""What a symbol file of MXNet holds, read without MXNet: the network's inputs, the parameters it needs, its outputs."""

from collections.abc import Collection
from pathlib import Path

import msgspec

from perf.errors import PerfError
from perf.files import read_json

# The operator of a node that is an input or a parameter.
VARIABLE = "null"
# The end of the name of a loss's second input, as MXNet chooses it.
LABEL = "label"
EXPORT = "write it with gluon's export or Module's save_checkpoint"
# Names that a message quotes; it counts the rest.
QUOTED = 3


class Node(msgspec.Struct, frozen=True):
    """A node: its operator `op`, its `name`, and its `inputs`, each the number of a node and of its output."""

    op: str
    name: str
    inputs: list[list[int]] = []


class SymbolFile(msgspec.Struct, frozen=True):
    """A symbol file. `nodes`: all nodes, each after its inputs. `heads`: its outputs, written as a node's inputs."""

    nodes: list[Node]
    heads: list[list[int]]

    def variables(self) -> list[str]:
        """Return the names of inputs and parameters."""
        return [node.name for node in self.nodes if node.op == VARIABLE]

    def leading(self) -> set[str]:
        """Return the variables that are some operator's first input: an input of the network is, a parameter is not."""
        return {self.nodes[node.inputs[0][0]].name for node in self.nodes if node.inputs} & set(self.variables())


def read_symbol(path: Path) -> SymbolFile:
    """Return a symbol file. Raises PerfError, naming the file, when it cannot be read or is not one."""
    try:
        symbol = read_json(path, SymbolFile, next_step=EXPORT)
    except PerfError as error:
        what = error.what.replace("is damaged", "is not a symbol file of MXNet")
        raise PerfError(what, subject=error.subject, next_step=EXPORT) from error
    numbers = range(len(symbol.nodes))
    references = [*symbol.heads, *(source for node in symbol.nodes for source in node.inputs)]
    if not symbol.heads or not all(source and source[0] in numbers for source in references):
        raise PerfError(
            "is not a symbol file of MXNet: it refers to missing nodes", subject=str(path), next_step=EXPORT
        )
    return symbol


def input_of(symbol: SymbolFile, params: Collection[str], path: Path) -> str:
    """Return the name of a network's one input, where `params` are the names of its parameters.

    Raises PerfError, naming the symbol file, when the network has several inputs or outputs, or lacks parameters.
    """
    if len(symbol.heads) > 1:
        step = "export the output with the classes only, such as net.get_internals()['fc1_output']"
        raise PerfError(f"it has {len(symbol.heads)} outputs, and must have one", subject=str(path), next_step=step)
    unknown = [name for name in symbol.variables() if name not in params]
    labels = [name for name in unknown if name.endswith(LABEL)]
    if labels:
        step = "export the network without its loss, such as net.get_internals()['fc1_output']"
        raise PerfError(f"it has a loss with the input {labels[0]}", subject=str(path), next_step=step)
    leading = symbol.leading()
    missing = [name for name in unknown if name not in leading]
    if missing:
        step = "name the parameter file that belongs to this symbol"
        raise PerfError(f"the parameter file lacks {quoted(missing)}", subject=str(path), next_step=step)
    if len(unknown) != 1:
        what = f"it has several inputs: {quoted(unknown)}" if unknown else "it has no input"
        step = "bring a network whose only input are images; every other variable belongs into the parameter file"
        raise PerfError(what, subject=str(path), next_step=step)
    return unknown[0]


def quoted(names: list[str]) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - QUOTED} more" if len(names) > QUOTED else ""
    return ", ".join(names[:QUOTED]) + more
