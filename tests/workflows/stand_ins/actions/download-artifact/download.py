"""Copies files out of the artifact store as actions/download-artifact would download them.

Without a token the real action sees only the artifacts of its own run, whatever `run-id` says; with one it asks the
API.
"""

import http.client
import json
import os
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

ENVIRONMENT = os.environ
STORE = Path(ENVIRONMENT["STAND_IN_ARTIFACTS"])


def main() -> int:
    """Download what the step names; 1 where the real action fails."""
    token, run = ENVIRONMENT["TOKEN"], ENVIRONMENT["RUN"] or ENVIRONMENT["GITHUB_RUN_ID"]
    try:
        known = listed(run, token) if token else stored(int(ENVIRONMENT["GITHUB_RUN_ID"]))
    except OSError as error:
        print(f"::error::Unable to download artifact(s): {error}")
        return 1
    name, ids = ENVIRONMENT["NAME"], {one.strip() for one in ENVIRONMENT["IDS"].split(",") if one.strip()}
    chosen = [one for one in known if (not name or one["name"] == name) and (not ids or str(one["id"]) in ids)]
    if not chosen and (name or ids):
        print(f"::error::Unable to download artifact(s): Artifact not found for name: {name or ids}")
        return 1
    target = Path(ENVIRONMENT["TARGET"] or ".").absolute()
    for one in chosen:
        folder = target if name or len(ids) == 1 else target / one["name"]
        shutil.copytree(STORE / str(one["id"]), folder, dirs_exist_ok=True)
    with Path(ENVIRONMENT["GITHUB_OUTPUT"]).open("a") as output:
        output.write(f"download-path={target}\n")
    print(f"Total of {len(chosen)} artifact(s) downloaded to {target}")
    return 0


def stored(run: int) -> list[dict[str, Any]]:
    """The artifacts of a run, newest first."""
    known = [json.loads(path.read_text()) for path in STORE.glob("*.json")]
    return sorted((one for one in known if one["run_id"] == run), key=lambda one: -one["id"])


def listed(run: str, token: str) -> list[dict[str, Any]]:
    """The artifacts of a run as the API lists them.

    Raises:
        OSError: The API refuses.
    """
    connection = http.client.HTTPConnection("api.github.com", timeout=30)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(ENVIRONMENT["STAND_IN_SOCKET"])
    path = f"/repos/{ENVIRONMENT['GITHUB_REPOSITORY']}/actions/runs/{run}/artifacts?per_page=100"
    connection.request("GET", path, headers={"Authorization": f"token {token}"})
    answer = connection.getresponse()
    said = json.loads(answer.read())
    if answer.status != 200:
        raise OSError(said["message"])
    artifacts: list[dict[str, Any]] = said["artifacts"]
    return artifacts


if __name__ == "__main__":
    sys.exit(main())
