"""Runs inside a build's Python: quantises as `int8` does, with the packages of `zoo` behind the build's own.

MXNet needs SciPy for entropy calibration, and imports it with its first line; of all builds only `zoo` has it.
"""

import json
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.append(json.loads(Path(sys.argv[1]).read_text())["packages"])
    from perf.cnn.artifacts.int8 import requantise
    from perf.cnn.artifacts.zoo_protocol import answer_request

    answer_request(requantise)
