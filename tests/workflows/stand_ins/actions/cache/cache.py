"""Keeps files under keys as actions/cache does: a key is written once, and found again only by the same paths.

    STORE/NUMBER.json      {"key", "paths"}; a higher number is newer
    STORE/NUMBER/POSITION  the file or folder of the path at that position

Not modelled: the branch that a cache belongs to, and its end after seven days.
"""

import json
import os
import shutil
import sys
from pathlib import Path

ENVIRONMENT = os.environ
STORE = Path(ENVIRONMENT["STAND_IN_CACHES"])
TEMPORARY = "/runner-temporary"


def main(command: str) -> int:
    """Save or restore; 1 where the real action fails."""
    STORE.mkdir(parents=True, exist_ok=True)
    lines = [line.strip() for line in ENVIRONMENT["FILES"].splitlines() if line.strip()]
    # GitHub's runners have their folders at the same place every time; the local one has not.
    paths = [line.replace(ENVIRONMENT["RUNNER_TEMP"], TEMPORARY) for line in lines]
    return restore(paths) if command == "restore" else save(paths)


def restore(paths: list[str]) -> int:
    """Take out the newest of what fits best: the key, then what begins with it, then with each of the other keys."""
    key = ENVIRONMENT["KEY"]
    others = [line.strip() for line in ENVIRONMENT["RESTORE_KEYS"].splitlines() if line.strip()]
    known = [(name, number) for name, stored, number in entries() if stored == paths]
    found = next((one for one in known if one[0] == key), None)
    for prefix in [key, *others]:
        found = found or next((one for one in known if one[0].startswith(prefix)), None)
    with Path(ENVIRONMENT["GITHUB_OUTPUT"]).open("a") as output:
        output.write(f"cache-primary-key={key}\n")
        if found:
            output.write(f"cache-hit={str(found[0] == key).lower()}\ncache-matched-key={found[0]}\n")
    if not found:
        print(f"Cache not found for input keys: {', '.join([key, *others])}")
        return int(ENVIRONMENT["FAIL_ON_CACHE_MISS"] == "true")
    if ENVIRONMENT["LOOKUP_ONLY"] != "true":
        for number, path in enumerate(map(absolute, paths)):
            put(STORE / str(found[1]) / str(number), path)
    print(f"Cache restored from key: {found[0]}")
    return 0


def save(paths: list[str]) -> int:
    """Put in; what is wrong is only ever a warning."""
    key = ENVIRONMENT["KEY"]
    if not any(absolute(path).exists() for path in paths):
        print("::warning::Path Validation Error: Path(s) specified in the action for caching do(es) not exist")
        return 0
    known = entries()
    if any((name, stored) == (key, paths) for name, stored, _ in known):
        print(f"::warning::Failed to save: Unable to reserve cache with key {key}, another job may be creating it")
        return 0
    number = max([0, *(one[2] for one in known)]) + 1
    for position, path in enumerate(map(absolute, paths)):
        put(path, STORE / str(number) / str(position))
    (STORE / f"{number}.json").write_text(json.dumps({"key": key, "paths": paths}))
    print(f"Cache saved with key: {key}")
    return 0


def put(source: Path, target: Path) -> None:
    """Copy a file or a folder, if it is there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True, symlinks=True)
    elif source.exists():
        shutil.copy2(source, target)


def entries() -> list[tuple[str, list[str], int]]:
    """Key, paths and number of everything stored, newest first."""
    found = []
    for path in STORE.glob("*.json"):
        about = json.loads(path.read_text())
        found.append((about["key"], about["paths"], int(path.stem)))
    return sorted(found, key=lambda one: -one[2])


def absolute(path: str) -> Path:
    """A path as the real action resolves it: from the home folder, or from the workspace."""
    own = path.replace(TEMPORARY, ENVIRONMENT["RUNNER_TEMP"])
    return (Path(ENVIRONMENT["GITHUB_WORKSPACE"]) / Path(own).expanduser()).absolute()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
