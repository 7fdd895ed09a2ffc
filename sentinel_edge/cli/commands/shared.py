"""Options that mean the same in several commands."""

from sentinel_edge import assets
from sentinel_edge.cli.option import option, path, path_or_word, whole
from sentinel_edge.promotion.watched import Watched

PACKAGED = "Default: the one that comes with the package."
EMBEDDER = f"The embedder's ONNX file, its card beside it. {PACKAGED}"
BLOCK = "Seconds of neighbouring triplets that count as one observation, at least."

baseline = option(
    path,
    "The golden baseline file. Default: the one that comes with the package (a sample camera).",
    assets.default_baseline,
)
interpolator = option(
    path_or_word,
    "The model whose performance is watched: champion (of the models that come with the package), none, an ONNX file "
    "with its card beside it, or a registry's folder.",
    Watched.CHAMPION,
    limits=(Watched,),
)
registry = option(path, f"The folder of the versions. {PACKAGED}", assets.default_registry)
threads = option(whole, "Inference workers. Default: one a core.", None, limits=(1, 256))
