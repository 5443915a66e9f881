"""A worker without MXNet, whose import takes most of a worker's time in the guest: memory, a second thread, the proof.

It says "ready", waits for a line, and then prints the proof as JSON. BARE_WORKER_MB says how much memory it fills.
"""

import json
import os
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from perf.worker.proof import cpus_of, proof_of_pinning

# Much more than Python itself has: what lies on another node must be most of it.
MEMORY_MB = 64


def main() -> None:
    launch_cpus = cpus_of("self")
    memory = bytearray(b"1") * (int(os.environ.get("BARE_WORKER_MB", MEMORY_MB)) << 20)
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(proof_of_pinning(launch_cpus)), flush=True)
    del memory


main()
