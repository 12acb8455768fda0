"""All benchmarks, or those named: ``python -m bench [intake] [planning] [drain] [rehearsal] [claims] [dispatch] [activity]``.

Each prints its floor of the same run; one after another, each in a process of its own.
"""

from __future__ import annotations

import subprocess
import sys

BENCHES = ("dispatch", "claims", "planning", "drain", "rehearsal", "intake", "activity")

if __name__ == "__main__":
    wanted = sys.argv[1:] or list(BENCHES)
    unknown = [name for name in wanted if name not in BENCHES]
    if unknown:
        sys.exit(f"no benchmark named {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    codes = [
        subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode for name in wanted
    ]
    sys.exit(max(codes))
