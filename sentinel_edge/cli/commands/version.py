"""The command `version`."""

import platform
from importlib.metadata import version
from pathlib import Path

import sentinel_edge
from sentinel_edge import assets
from sentinel_edge.baseline.file import load_baseline
from sentinel_edge.cli.command import Command
from sentinel_edge.cli.commands.shared import PACKAGED
from sentinel_edge.cli.option import option, path
from sentinel_edge.cli.terminal import tell
from sentinel_edge.networks.embedder_card import load_model
from sentinel_edge.verdict.summary import aligned


class Version(Command):
    """Print the versions of the package, its libraries, the model and the baseline."""

    model: Path = option(path, f"The embedder's ONNX file. {PACKAGED}", assets.default_model)
    baseline: Path = option(path, f"The golden baseline file. {PACKAGED}", assets.default_baseline)

    def work(self) -> int:
        _, card = load_model(self.model)
        golden = load_baseline(self.baseline)
        facts = {
            "sentinel-edge": sentinel_edge.__version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "scipy", "onnxruntime")},
            "opencv": version("opencv-python-headless"),
            "model": f"{card.name}, sha256 {card.sha256[:12]}",
            "baseline": f"{golden.source}, {len(golden.episodes)} episodes, made {golden.created_at}, "
            f"sha256 {golden.fingerprint[:12]}",
        }
        return tell("\n".join(aligned(facts)))
