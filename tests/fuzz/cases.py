"""What is run on a mutated file, one function for each kind of file, and what must not come of it."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.command import leave_yesterdays_pass
from tests.fuzz import mutators
from tests.fuzz.corpus import LISTS, Corpus, check


@dataclass(frozen=True, slots=True)
class Case:
    """One run of the command line.

    Attributes:
        arguments: Of the command.
        must_not_pass: No sound program could say PASS to this.
        environment: More for its environment.
    """

    arguments: list[str]
    must_not_pass: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


Maker = Callable[[Random, Corpus, Path], Case]


def video(chance: Random, corpus: Corpus, folder: Path) -> Case:
    """A video of any container, sometimes among sound ones, sometimes under another's name."""
    suffix = chance.choice(list(corpus.good))
    other = chance.random() < 0.15
    must_not_pass = True
    match chance.randrange(10):
        case 0 | 1 | 2:
            content = mutators.lose_the_middle(chance, corpus.long[suffix].read_bytes())
        case 3 | 4 | 5 | 6:
            content, must_not_pass = mutators.mutate_bytes(chance, corpus.good[suffix].read_bytes()), False
        case 7 | 8:
            content = mutators.mutate_bytes(chance, corpus.bad[suffix].read_bytes())
        case _:
            clip = chance.choice(corpus.clips)
            content, suffix = mutators.mutate_bytes(chance, clip.read_bytes()), clip.suffix[1:]
    if other:
        suffix = chance.choice(list(corpus.good))
    footage = folder / "footage"
    footage.mkdir()
    (footage / f"a.{suffix}").write_bytes(content)
    if chance.random() < 0.1:
        shutil.copyfile(corpus.good["mp4"], footage / "b.mp4")
        must_not_pass = False
    return _work(chance, corpus, folder, footage, must_not_pass=must_not_pass)


def pictures(chance: Random, corpus: Corpus, folder: Path) -> Case:
    """A folder of pictures of which one, some or all are damaged."""
    suffix, bad = chance.choice(list(corpus.good_pictures)), chance.random() < 0.3
    footage = folder / "footage"
    footage.mkdir()
    share = chance.choice((0.0, 0.3, 1.0))
    paths = (corpus.bad_pictures if bad else corpus.good_pictures)[suffix]
    named = chance.choice((suffix, suffix, suffix, *corpus.good_pictures))
    for position, path in enumerate(paths):
        content = path.read_bytes()
        if position == 0 or chance.random() < share:
            content = mutators.mutate_png(chance, content)
        (footage / f"{path.stem}.{named}").write_bytes(content)
    return _work(chance, corpus, folder, footage, must_not_pass=bad)


NAMES = ("a.mp4", "a.jpg", "c.avi", "\n.png", "-x.mp4", "%03d.jpg", "concat:b.mp4", "a" * 250, "é.ts")


def oddities(chance: Random, corpus: Corpus, folder: Path) -> Case:
    """A folder that holds what is no footage beside some that is: pipes, links, playlists, odd names."""
    footage = folder / "footage"
    footage.mkdir()
    shutil.copyfile(corpus.bad["mp4"], footage / "b.mp4")
    for _ in range(1 + chance.randrange(3)):
        name = chance.choice(
            ("a.mp4", "a.jpg", "c.avi", "\n.png", "-x.mp4", "%03d.jpg", "concat:b.mp4", "a" * 250, "é.ts")
        )
        path = footage / name
        if os.path.lexists(path):
            continue
        match chance.randrange(7):
            case 0:
                os.mkfifo(path)
            case 1:
                path.symlink_to(chance.choice(("/", "/dev/zero", "..", name, "b.mp4", "/etc/passwd")))
            case 2:
                path.mkdir()
            case 3:
                path.write_bytes(b"")
            case 4:
                path.write_text("ffconcat version 1.0\n" + "file b.mp4\n" * chance.choice((1, 50)))
            case 5:
                path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nb.mp4\n#EXT-X-ENDLIST\n")
            case _:
                path.write_bytes(chance.randbytes(500))
    return _work(chance, corpus, folder, footage, must_not_pass=True)


def baseline(chance: Random, corpus: Corpus, folder: Path) -> Case:
    """A baseline file, by which footage that never passes is judged, or which is described or added to."""
    path = folder / "baseline.npz"
    path.write_bytes(mutators.mutate_npz(chance, (corpus / "baseline.npz").read_bytes()))
    if chance.random() < 0.2:
        return Case(["describe", "--baseline", str(path)])
    if chance.random() < 0.1:
        added = ["baseline", "--add", str(path), "--source", str(corpus.good["avi"]), "--output", str(folder / "n.npz")]
        return Case([*added, "--model", str(corpus / "embedder.onnx"), "--interpolator", str(corpus / "registry")])
    return _check(corpus, folder, corpus.bad["avi"], {"--baseline": path}, must_not_pass=True)


def mask(chance: Random, corpus: Corpus, folder: Path) -> Case:
    """A mask for a new baseline."""
    path = folder / f"mask.{chance.choice(('png', 'png', 'jpg', 'bmp'))}"
    path.write_bytes(mutators.mutate_png(chance, (corpus / "mask.png").read_bytes()))
    learn = ["baseline", "--source", str(corpus.good["avi"]), "--output", str(folder / "n.npz"), "--mask", str(path)]
    return Case([*learn, "--model", str(corpus / "embedder.onnx"), "--interpolator", "none"])


def card(chance: Random, corpus: Corpus, folder: Path) -> Case:
    """A card, of the embedder or of an interpolator."""
    if chance.random() < 0.5:
        _copied(corpus / "embedder.onnx", folder)
        source = corpus / "embedder.json"
        (folder / source.name).write_bytes(mutators.mutate_json(chance, source.read_bytes()))
        options = {"--model": folder / "embedder.onnx"}
        return _check(corpus, folder, corpus.bad["avi"], options, must_not_pass=True)
    shutil.copytree(corpus / "new", folder / "new")
    source = corpus / "new" / "card.json"
    (folder / "new" / "card.json").write_bytes(mutators.mutate_json(chance, source.read_bytes()))
    return _taken(chance, corpus, folder)


def model(chance: Random, corpus: Corpus, folder: Path) -> Case:
    """An ONNX file, whose card tells its checksum."""
    shutil.copytree(corpus / "new", folder / "new")
    path = folder / "new" / "model.onnx"
    content = mutators.mutate_bytes(chance, path.read_bytes())
    path.write_bytes(content)
    document = json.loads((folder / "new" / "card.json").read_text())
    document["sha256"] = hashlib.sha256(content).hexdigest()
    (folder / "new" / "card.json").write_text(json.dumps(document))
    return _taken(chance, corpus, folder)


def registry(chance: Random, corpus: Corpus, folder: Path) -> Case:
    """A registry of which the pointers, a card or a model are damaged, or something lies where nothing should."""
    place = folder / "registry"
    shutil.copytree(corpus / "registry", place)
    versions = sorted((place / "versions").iterdir())
    match chance.randrange(8):
        case 0 | 1 | 2 | 3:
            path = place / "registry.json"
            path.write_bytes(mutators.mutate_json(chance, path.read_bytes()))
        case 4 | 5:
            path = chance.choice(versions) / "card.json"
            path.write_bytes(mutators.mutate_json(chance, path.read_bytes()))
        case 6:
            path = chance.choice(versions) / "model.onnx"
            path.write_bytes(mutators.mutate_bytes(chance, path.read_bytes()))
        case _:
            _planted(chance, chance.choice((place / ".lock", place / "versions" / "0009", place / "registry.json")))
    match chance.choice(("list", "verify", "verify", "promote", "rollback", "add", "check", "canary")):
        case "add":
            return Case(["model", "add", "--registry", str(place), "--model", str(corpus / "new" / "model.onnx")])
        case "check":
            options = {"--interpolator": place}
            return _check(corpus, folder, corpus.bad["avi"], options, must_not_pass=True)
        case "canary":
            footage = ["--incoming", str(corpus.good["avi"]), "--state", str(folder / "state.json")]
            return Case(["canary", "--registry", str(place), *footage, "--output", str(folder / "out")])
        case name:
            return Case(["model", name, "--registry", str(place)])


def state(chance: Random, corpus: Corpus, folder: Path) -> Case:
    """The state of a canary; its checksum holds, so that what is in it is read."""
    path = folder / "state.json"
    document = json.loads((corpus / "state.json").read_text())
    mutated = mutators.mutate_json(chance, json.dumps(document["content"]).encode())
    try:
        document["content"] = json.loads(mutated)
        document["sha256"] = hashlib.sha256(json.dumps(document["content"], sort_keys=True).encode()).hexdigest()
        mutated = json.dumps(document).encode()
    except (ValueError, RecursionError):
        pass
    path.write_bytes(mutated)
    footage = ["--incoming", str(corpus.good["avi"]), "--registry", str(corpus / "registry")]
    return Case(["canary", *footage, "--state", str(path), "--output", str(folder / "out")])


def verdict(chance: Random, corpus: Corpus, folder: Path) -> Case:
    """A verdict: a FAIL that must not be taken for a PASS, or a PASS that no check could have written."""
    if chance.random() < 0.6:
        content = mutators.mutate_json(chance, (corpus / "verdict-fail.json").read_bytes())
        return _decide(chance, corpus, folder, verdict=content, code="3", must_not_pass=True)
    document = json.loads((corpus / "verdict-pass.json").read_text())
    document["frames"] |= chance.choice(
        (
            {"judged": 0},
            {"unreadable": 99 * document["frames"]["sampled"]},
            {"judged": 1, "unreadable": 99, "sampled": 100},
            {"judged": document["frames"]["sampled"] + 1},
        )
    )
    return _decide(chance, corpus, folder, verdict=json.dumps(document).encode(), code="0", must_not_pass=True)


def history(chance: Random, corpus: Corpus, folder: Path) -> Case:
    """The memory of `decide`."""
    content = mutators.mutate_json(chance, (corpus / "history.json").read_bytes())
    return _decide(chance, corpus, folder, history=content)


def lists(chance: Random, corpus: Corpus, folder: Path) -> Case:
    """What `gh` printed."""
    name = chance.choice(list(LISTS))
    (folder / f"{name}.json").write_bytes(mutators.mutate_json(chance, (corpus / f"{name}.json").read_bytes()))
    return _decide(chance, corpus, folder, listed=name)


SETTINGS = (
    *("THRESHOLD", "ALPHA", "FPS", "GATES", "INTERPOLATOR", "THREADS"),
    *("EVIDENCE", "INCOMING", "BASELINE", "MODEL"),
)
DECISIONS = (
    *("POLICY", "FAILS_NEEDED", "OF_LAST", "COOLDOWN_HOURS", "DAILY_MAXIMUM"),
    *("MAINTENANCE_UNTIL", "ACKNOWLEDGED", "RUN_URL"),
)
WORDS = (
    *("", "0", "1", "-1", "1e308", "nan", "inf", "0.30001", "99999999999999999999", "1_0", "none", "quality", ",,"),
    *("embedding,", "2999-01-01", "fog:2026-12-01", "fog:9999-99-99", "x" * 5000, "é", "\udc80", "a=b", "[1,2]", "/"),
)


def settings(chance: Random, corpus: Corpus, folder: Path) -> Case:
    """The environment and the options."""
    odd = chance.choice(WORDS)
    if chance.random() < 0.4:
        return _decide(chance, corpus, folder, environment={f"SENTINEL_{chance.choice(DECISIONS)}": odd})
    if chance.random() < 0.5:
        arguments = check(corpus, corpus.good["avi"], folder / "out")
        return Case(arguments, environment={f"SENTINEL_{chance.choice(SETTINGS)}": odd})
    option = chance.choice(("--threshold", "--alpha", "--fps", "--gates", "--evidence", "--threads", "--interpolator"))
    if chance.random() < 0.5:
        return Case([*check(corpus, corpus.good["avi"], folder / "out"), option, odd])
    command = chance.choice(("sabotage", "excerpt"))
    option = chance.choice(
        ("--kind", "--severity", "--seed") if command == "sabotage" else ("--megabytes", "--seconds")
    )
    return Case([command, "--source", str(corpus.good["avi"]), "--output", str(folder / "out"), option, odd])


KINDS: Mapping[str, Maker] = {
    made.__name__: made
    for made in (
        *(video, pictures, oddities, baseline, mask, card, model, registry),
        *(state, verdict, history, lists, settings),
    )
}
WEIGHTS = (30, 16, 5, 12, 3, 5, 4, 7, 4, 6, 4, 2, 4)


def _work(chance: Random, corpus: Corpus, folder: Path, footage: Path, *, must_not_pass: bool) -> Case:
    """What may be done with footage: mostly a check."""
    (one,) = list(footage.iterdir()) if len(list(footage.iterdir())) == 1 else (footage,)
    given = footage if one.suffix[1:] not in corpus.good or chance.random() < 0.5 else one
    models = ("--model", str(corpus / "embedder.onnx"), "--interpolator", str(corpus / "registry"))
    match chance.randrange(20):
        case 0:
            return Case(["excerpt", "--source", str(given), "--output", str(folder / "out"), "--megabytes", "0.02"])
        case 1:
            return Case(["sabotage", "--source", str(given), "--output", str(folder / "out"), "--kind", "fog"])
        case 2:
            return Case(["baseline", "--source", str(given), "--output", str(folder / "n.npz"), *models])
        case 3:
            state = ["--state", str(folder / "state.json"), "--output", str(folder / "out")]
            return Case(["canary", "--incoming", str(given), "--registry", str(corpus / "registry"), *state])
        case 4:
            pair = [f"--{name}={corpus / 'models' / place / 'model.onnx'}" for name, place in PAIR]
            return Case(
                ["evaluate", *pair, f"--new={given}", f"--golden={corpus.good['avi']}", f"--output={folder}/out"]
            )
        case _:
            return _check(corpus, folder, given, {}, must_not_pass=must_not_pass)


PAIR = (("champion", "a"), ("challenger", "b"))


def _check(corpus: Corpus, folder: Path, footage: Path, options: Mapping[str, Path], *, must_not_pass: bool) -> Case:
    """A check into a folder where yesterday's PASS lies."""
    arguments = check(corpus, footage, leave_yesterdays_pass(folder / "out"))
    for name, path in options.items():
        arguments[arguments.index(name) + 1] = str(path)
    return Case(arguments, must_not_pass=must_not_pass)


def _decide(
    chance: Random,
    corpus: Corpus,
    folder: Path,
    *,
    verdict: bytes | None = None,
    history: bytes | None = None,
    listed: str = "",
    code: str = "3",
    must_not_pass: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Case:
    (folder / "verdict.json").write_bytes(verdict or (corpus / "verdict-fail.json").read_bytes())
    (folder / "history.json").write_bytes(history or (corpus / "history.json").read_bytes())
    arguments = ["decide", "--verdict", str(folder / "verdict.json"), "--exit-code", code]
    arguments += ["--history", str(folder / "history.json"), "--output", str(folder / "out")]
    for name in LISTS:
        if name == listed or chance.random() < 0.3:
            own = folder / f"{name}.json"
            arguments += [f"--{name}", str(own if own.exists() else corpus / f"{name}.json")]
    return Case(arguments, must_not_pass=must_not_pass, environment=environment or {})


def _taken(chance: Random, corpus: Corpus, folder: Path) -> Case:
    """An interpolator in `folder/new`: added to a registry, or watched."""
    path = folder / "new" / "model.onnx"
    if chance.random() < 0.6:
        shutil.copytree(corpus / "registry", folder / "registry")
        return Case(["model", "add", "--registry", str(folder / "registry"), "--model", str(path)])
    return _check(corpus, folder, corpus.bad["avi"], {"--interpolator": path}, must_not_pass=True)


def _planted(chance: Random, path: Path) -> None:
    """Something else in place of a file or folder."""
    if path.is_file():
        path.unlink()
    match chance.randrange(4):
        case 0:
            os.mkfifo(path)
        case 1:
            path.symlink_to(chance.choice(("/", "nowhere", ".", "/dev/zero", "../../..")))
        case 2:
            path.mkdir()
        case _:
            path.write_bytes(b"\0" * 100)


def _copied(path: Path, folder: Path) -> None:
    shutil.copyfile(path, folder / path.name)
