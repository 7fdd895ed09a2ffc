"""Copies files into the artifact store as actions/upload-artifact would upload them."""

import glob
import hashlib
import json
import os
import re
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

ENVIRONMENT = os.environ
STORE = Path(ENVIRONMENT["STAND_IN_ARTIFACTS"])


def main() -> int:
    """Upload what the step names; 1 where the real action fails."""
    name, lines = ENVIRONMENT["NAME"], [line.strip() for line in ENVIRONMENT["FILES"].splitlines() if line.strip()]
    if not lines:
        return complain("Input required and not supplied: path")
    if re.search(r'["<>|*?:\r\n\\/]', name):
        return complain(f"The artifact name is not valid: {name}.")
    files, root = find(lines)
    if not files:
        said = f"No files were found with the provided path: {ENVIRONMENT['FILES']}. No artifacts will be uploaded."
        manner = ENVIRONMENT["IF_NO_FILES_FOUND"]
        if manner == "error":
            return complain(said)
        if manner == "warn":
            print(f"::warning::{said}")
        return 0
    bad = [str(file) for file in files if re.search(r'["<>|*?:\r\n]', str(file.relative_to(root)))]
    if bad:
        return complain(f"The path for one of the files in artifact is not valid: {bad[0]}.")
    return store(name, files, root)


def find(lines: list[str]) -> tuple[list[Path], Path]:
    """The files that the lines name, and the folder that becomes the artifact's root."""
    found: set[Path] = set()
    bases = []
    for line in lines:
        if line.startswith("!"):
            found -= expand(line[1:].strip())
            continue
        found |= expand(line)
        bases.append(base(line))
    root = Path(os.path.commonpath([str(one) for one in bases]))
    return sorted(found), root.parent if root.is_file() else root


def expand(pattern: str) -> set[Path]:
    """The files that one line stands for; a folder stands for everything below it."""
    hidden = ENVIRONMENT["INCLUDE_HIDDEN_FILES"] == "true"
    files: set[Path] = set()
    whole = str(Path(pattern).expanduser().absolute())
    for match in glob.glob(whole, recursive=True, include_hidden=True):  # noqa: PTH207  (Path knows no absolute pattern)
        path = Path(match)
        files |= {below for below in path.rglob("*") if below.is_file()} if path.is_dir() else {path}
    start = base(pattern)
    if hidden:
        return files
    return {file for file in files if not any(part.startswith(".") for part in file.relative_to(start.parent).parts)}


def base(pattern: str) -> Path:
    """The part of a line before its first wildcard."""
    parts = Path(pattern).expanduser().absolute().parts
    plain = []
    for part in parts:
        if glob.has_magic(part):
            break
        plain.append(part)
    return Path(*plain)


def store(name: str, files: list[Path], root: Path) -> int:
    """Copy the files and write down what they are."""
    run = int(ENVIRONMENT["GITHUB_RUN_ID"])
    STORE.mkdir(parents=True, exist_ok=True)
    known = {path: json.loads(path.read_text()) for path in STORE.glob("*.json")}
    same = [path for path, about in known.items() if (about["run_id"], about["name"]) == (run, name)]
    if same and ENVIRONMENT["OVERWRITE"] != "true":
        return complain("Failed to CreateArtifact: (409) Conflict: an artifact with this name already exists")
    for path in same:
        path.unlink()
        shutil.rmtree(path.with_suffix(""))
    number = max([0, *(about["id"] for about in known.values())]) + 1
    digest = hashlib.sha256()
    for file in files:
        target = STORE / str(number) / file.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
        digest.update(target.read_bytes())
    about = {
        "id": number,
        "name": name,
        "run_id": run,
        "retention_days": int(ENVIRONMENT["RETENTION_DAYS"]),
        "created_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    (STORE / f"{number}.json").write_text(json.dumps(about))
    url = f"https://github.com/{ENVIRONMENT['GITHUB_REPOSITORY']}/actions/runs/{run}/artifacts/{number}"
    with Path(ENVIRONMENT["GITHUB_OUTPUT"]).open("a") as output:
        output.write(f"artifact-id={number}\nartifact-url={url}\nartifact-digest={digest.hexdigest()}\n")
    print(f"Artifact {name} has been successfully uploaded! {len(files)} files, artifact ID is {number}")
    return 0


def complain(said: str) -> int:
    """What the real action says when it fails."""
    print(f"::error::{said}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
