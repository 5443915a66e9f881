"""Time a network in the simplest way: load it, bind it, run it in a loop. Shares no code with perf.

This runs in a build's Python. Arguments: symbol file, parameter file, subgraph backend, batch, image size. Each line on
standard input is a number of seconds to run passes for; the answer is a line of JSON with their durations in seconds.
"""

import json
import sys
import time

import mxnet as mx

symbol_file, params_file, subgraph, batch, size = sys.argv[1:]
symbol = mx.sym.load(symbol_file).get_backend_symbol(subgraph)
saved = mx.nd.load(params_file)
values = {key.split(":", 1)[1]: value for key, value in saved.items()}
values["data"] = mx.nd.random.normal(shape=(int(batch), 3, int(size), int(size)))
executor = symbol.bind(
    mx.cpu(),
    {name: values[name] for name in symbol.list_arguments()},
    aux_states={name: values[name] for name in symbol.list_auxiliary_states()},
    grad_req="null",
)
for line in iter(sys.stdin.readline, ""):
    durations: list[float] = []
    until = time.perf_counter() + float(line)
    while time.perf_counter() < until:
        before = time.perf_counter()
        executor.forward(is_train=False)
        executor.outputs[0].wait_to_read()
        durations.append(time.perf_counter() - before)
    sys.stdout.write(json.dumps(durations) + "\n")
    sys.stdout.flush()
