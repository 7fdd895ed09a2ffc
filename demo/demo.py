"""`make demo`: real footage passes, sabotaged footage fails. Every number in its table comes from the run itself.

It does what a user would do, through the command line alone: `sabotage`, then `check`.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
INCOMING = ROOT / "tests" / "data" / "campus-incoming.mp4"
BASELINE = ROOT / "baseline" / "golden.npz"
OUTPUT = ROOT / "demo_output"
FAILURES = (("noise", 2), ("blur", 2), ("low_light", 2), ("camera_moved", 2), ("fog", 3), ("frozen", 3))
EXPECTED_EXIT = {"PASS": 0, "FAIL": 3}


def sentinel_edge(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Run one command; its exit code and the JSON it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "sentinel_edge", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    if not done.stdout:
        sys.exit(f"demo: sentinel-edge {arguments[0]} ended with exit code {done.returncode}")
    return done.returncode, json.loads(done.stdout)


def check(name: str, incoming: Path) -> tuple[str, int, dict[str, Any]]:
    """Check one piece of footage against the golden baseline."""
    code, verdict = sentinel_edge(
        "check", f"--incoming={incoming}", f"--baseline={BASELINE}", f"--output={OUTPUT / name / 'status_output'}"
    )
    return name, code, verdict


def main() -> int:
    """Run the demo; 0 when the clean clip passed and every sabotaged one failed."""
    shutil.rmtree(OUTPUT, ignore_errors=True)
    results = [check("as it came", INCOMING)]
    for kind, severity in FAILURES:
        name = f"{kind} {severity}"
        bad = OUTPUT / name / "footage"
        sentinel_edge("sabotage", f"--source={INCOMING}", f"--kind={kind}", f"--severity={severity}", f"--output={bad}")
        results.append(check(name, bad))
    print(f"{'incoming footage':<17} {'status':<6} {'exit':>4} {'drift score':>12} {'picture':>8}  cause")
    for name, code, verdict in results:
        picture = verdict["gates"]["quality"]["score"]
        causes = ", ".join(cause["kind"] for cause in verdict["causes"])
        row = f"{name:<17} {verdict['status']:<6} {code:>4} {verdict['drift_score']:>12.2f} {picture:>8.1f}  {causes}"
        print(row.rstrip())
    print("\nFAIL above a drift score of 0.30, or where the picture deviates by more than 1.0 of what is tolerated.")
    wanted = ["PASS"] + ["FAIL"] * len(FAILURES)
    kept = all(
        verdict["status"] == status and code == EXPECTED_EXIT[status]
        for (_, code, verdict), status in zip(results, wanted, strict=True)
    )
    print(f"\nverdicts and sabotaged footage: {OUTPUT.relative_to(ROOT)}/")
    if not kept:
        print(f"demo: expected {', '.join(wanted)}", file=sys.stderr)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
