"""Where artifacts live while workflows run here: one folder, filled by the stand-in and served by the fake API.

STORE/ID.json      {"id", "name", "run_id", "retention_days", "created_at"}
STORE/ID/...       the files
"""

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Artifact:
    """One uploaded artifact.

    Attributes:
        id: its number, unique in the store.
        name: the name it was uploaded under.
        run_id: the run that uploaded it.
        retention_days: how long it would be kept; 0 is the repository's default.
        created_at: UTC, ISO 8601 with a Z.
        files: the folder of its files.
    """

    id: int
    name: str
    run_id: int
    retention_days: int
    created_at: str
    files: Path

    def names(self) -> set[str]:
        """Paths of its files, relative to its root."""
        return {path.relative_to(self.files).as_posix() for path in self.files.rglob("*") if path.is_file()}

    def archive(self) -> bytes:
        """The files as the zip that the API serves."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name in sorted(self.names()):
                archive.write(self.files / name, name)
        return packed.getvalue()


@dataclass(frozen=True, slots=True)
class ArtifactStore:
    """The folder of artifacts."""

    folder: Path

    def artifacts(self, run_id: int | None = None, name: str | None = None) -> list[Artifact]:
        """Its artifacts, newest first, as the API lists them; of one run, or of one name, or all."""
        found = []
        for path in self.folder.glob("*.json"):
            about = json.loads(path.read_text())
            found.append(
                Artifact(
                    about["id"],
                    about["name"],
                    about["run_id"],
                    about["retention_days"],
                    about["created_at"],
                    path.with_suffix(""),
                )
            )
        found = [one for one in found if run_id in (None, one.run_id) and name in (None, one.name)]
        return sorted(found, key=lambda one: -one.id)

    def add(
        self, run_id: int, name: str, files: dict[str, bytes], created_at: str = "2026-01-01T00:00:00Z"
    ) -> Artifact:
        """Put an artifact there as if a run had uploaded it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        number = max((one.id for one in self.artifacts()), default=0) + 1
        artifact = Artifact(number, name, run_id, 0, created_at, self.folder / str(number))
        for path, content in files.items():
            (artifact.files / path).parent.mkdir(parents=True, exist_ok=True)
            (artifact.files / path).write_bytes(content)
        about = {"id": number, "name": name, "run_id": run_id, "retention_days": 0, "created_at": created_at}
        artifact.files.with_suffix(".json").write_text(json.dumps(about))
        return artifact
