"""What the container image weighs, compressed and unpacked, and what takes the space.

    python tests/benchmarks/image_size.py vfi-monitor

Sizes are in MB of 1 000 000 bytes. Compressed is `docker save | gzip`, about what a registry transfers; the share of a
part is what gzip makes of its files alone, so that the parts do not add up to the byte.
"""

import json
import subprocess
import sys
import zlib
from typing import NamedTuple

TARGET_COMPRESSED_MB = 200
TARGET_UNPACKED_MB = 600

# Runs inside the image: every file under its environment, by the distribution that brought it.
INSIDE = r"""
import collections, importlib.metadata, json, os, pathlib, sys, sysconfig, zlib

packages = pathlib.Path(sysconfig.get_path("purelib"))
owner = {}
for distribution in importlib.metadata.distributions(path=[str(packages)]):
    for file in distribution.files or ():
        owner.setdefault(file.parts[0], distribution.metadata["Name"])

parts = collections.defaultdict(lambda: [0, 0])
for root in (sys.prefix, "/app"):
    for folder, _, names in os.walk(root):
        for name in names:
            path = pathlib.Path(folder, name)
            if path.is_symlink():
                continue
            if path.suffix == ".pyc":
                part = "(bytecode)"
            elif path.is_relative_to(packages):
                part = owner.get(path.relative_to(packages).parts[0], "(other)")
            elif path.is_relative_to("/app"):
                part = "(" + path.relative_to("/app").parts[0] + ")"
            else:
                part = "(other)"
            content = path.read_bytes()
            parts[part][0] += len(content)
            parts[part][1] += len(zlib.compress(content, 6))
print(json.dumps(parts))
"""


class Weight(NamedTuple):
    """Bytes unpacked and compressed."""

    unpacked: int
    compressed: int


def main(image: str) -> None:
    """Measure an image and print the table."""
    whole = Weight(unpacked_size(image), compressed_size(image))
    parts = weigh_parts(image)
    parts["(base: Python and Debian)"] = Weight(
        whole.unpacked - sum(part.unpacked for part in parts.values()),
        whole.compressed - sum(part.compressed for part in parts.values()),
    )
    print(f"{image}, in MB{'unpacked':>26}{'compressed':>12}")
    for name, weight in sorted(parts.items(), key=lambda entry: -entry[1].unpacked):
        print(row(name, weight))
    print(row("whole image", whole))
    print(row("target", Weight(TARGET_UNPACKED_MB * 1_000_000, TARGET_COMPRESSED_MB * 1_000_000)))


def row(name: str, weight: Weight) -> str:
    """One line of the table."""
    return f"{name:<30}{weight.unpacked / 1e6:>{len('vfi-monitor')}.1f}{weight.compressed / 1e6:>12.1f}"


def unpacked_size(image: str) -> int:
    """Bytes of the image's files, as the engine counts them."""
    return int(_docker("image", "inspect", "--format", "{{.Size}}", image))


def compressed_size(image: str) -> int:
    """Bytes of the exported image after gzip at its usual level."""
    gzip = zlib.compressobj(6, zlib.DEFLATED, 31)
    size = 0
    # By its id: a name without a tag would save every tag there is.
    identity = _docker("image", "inspect", "--format", "{{.Id}}", image)
    with subprocess.Popen(["docker", "save", identity], stdout=subprocess.PIPE) as export:
        assert export.stdout is not None
        while block := export.stdout.read(1 << 20):
            size += len(gzip.compress(block))
    if export.returncode:
        sys.exit(f"docker save {image} failed")
    return size + len(gzip.flush())


def weigh_parts(image: str) -> dict[str, Weight]:
    """Bytes of each distribution, of the model and of the baseline inside the image."""
    found = _docker("run", "--rm", "--network", "none", "--entrypoint", "python", image, "-c", INSIDE)
    return {name: Weight(*weight) for name, weight in json.loads(found).items()}


def _docker(*arguments: str) -> str:
    run = subprocess.run(["docker", *arguments], check=False, capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{run.stderr.strip()} (is the image built? make image)")
    return run.stdout.strip()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "vfi-monitor")
