"""A training step in one process: forward pass, backward pass, and the update of every parameter by momentum SGD."""

from collections.abc import Collection
from typing import Any

import mxnet as mx

# The input that holds the class of each image, as floating-point numbers.
LABEL = "label"
# A step costs the same at every rate. With this one, parameters change in FP32, and hardly so in thousands of steps.
RATE = 1e-6
MOMENTUM = 0.9


def with_loss(symbol: Any) -> Any:
    """Return a classification network whose output is a softmax with the cross-entropy loss of `LABEL`."""
    return mx.sym.SoftmaxOutput(symbol, mx.sym.Variable(LABEL), name="loss")


class TrainingStep:
    """A network bound for training, in place of its executor: each of its forward passes is a whole step.

    `symbol` has a loss. `arguments` are its parameters and inputs by name; those named in `inputs` are not updated.
    `auxiliary` are its states, such as the statistics of batch norms.
    """

    def __init__(
        self, symbol: Any, arguments: dict[str, Any], auxiliary: dict[str, Any], inputs: Collection[str]
    ) -> None:
        self._parameters = {name: array for name, array in arguments.items() if name not in inputs}
        gradients = {name: mx.nd.zeros(array.shape) for name, array in self._parameters.items()}
        self._momenta = {name: mx.nd.zeros(array.shape) for name, array in self._parameters.items()}
        requests = {name: "write" if name in gradients else "null" for name in arguments}
        self._executor = symbol.bind(mx.cpu(), arguments, args_grad=gradients, grad_req=requests, aux_states=auxiliary)
        self._gradients = gradients

    @property
    def outputs(self) -> list[Any]:
        """The probabilities of the classes in the last step."""
        outputs: list[Any] = self._executor.outputs
        return outputs

    def forward(self, is_train: bool) -> list[Any]:  # noqa: ARG002 - a step always trains
        """Run one step, and return what it changes last: the parameters."""
        self._executor.forward(is_train=True)
        self._executor.backward()
        for name, weight in self._parameters.items():
            mx.nd.sgd_mom_update(
                weight, self._gradients[name], self._momenta[name], lr=RATE, momentum=MOMENTUM, wd=0.0, out=weight
            )
        return list(self._parameters.values())
