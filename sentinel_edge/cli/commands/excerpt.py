"""The command `excerpt`."""

from pathlib import Path

from sentinel_edge.cli.command import Command
from sentinel_edge.cli.option import number, option, path, typed_option
from sentinel_edge.cli.terminal import Progress, list_skipped, tell_facts
from sentinel_edge.excerpt.excerpt import DEFAULT_MEGABYTES, DEFAULT_SECONDS, MEGABYTE, take_excerpt


class Excerpt(Command):
    """Take from footage what retraining and a refreshed baseline need, bounded in size, without any loss.

    What fits is copied byte for byte. Else stretches at the footage's own rate are taken evenly over its time:
    runs of pictures as they are, videos cut at key frames as they are or, where that cannot be, written again
    without loss.
    """

    source: Path = typed_option(path, "An image folder, a video, or a folder of videos or of image folders.")
    output: Path = typed_option(path, "The folder to make; it must not exist or be empty.")
    megabytes: float = option(
        number, "What all files together may take, in millions of bytes.", DEFAULT_MEGABYTES, limits=(0, 1e9)
    )
    seconds: float = option(
        number, "Length of a stretch. Five pictures count as a second.", DEFAULT_SECONDS, limits=(0, 3600)
    )

    def work(self) -> int:
        limit = int(self.megabytes * MEGABYTE)
        with Progress("files taken") as progress:
            taken = take_excerpt(self.source, self.output, limit=limit, seconds=self.seconds, progress=progress.show)
        list_skipped(taken.skipped)
        return tell_facts(
            {
                "output": str(self.output),
                "files": taken.files,
                "bytes": taken.size,
                "seconds": round(taken.seconds, 2),
                "share": round(taken.share, 4),
                "complete": taken.complete,
                "skipped": len(taken.skipped),
            }
        )
