"""A worker without MXNet, whose import takes most of a worker's time in the guest: memory, a second thread, the proof.

It says "ready", waits for a line, and then prints the proof as JSON.
"""

import json
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from perf.worker.proof import cpus_of, proof_of_pinning

MEMORY_BYTES = 64 << 20


def main() -> None:
    launch_cpus = cpus_of("self")
    memory = bytearray(b"1") * MEMORY_BYTES
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(proof_of_pinning(launch_cpus)), flush=True)
    del memory


main()
