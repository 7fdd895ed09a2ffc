"""The commands: the one table of them. None is imported before it is asked for, nor what only it works with."""

from sentinel_edge.cli.command import Group

COMMANDS = Group(
    "Watches the frames behind a camera model: PASS or FAIL, a drift score, and the cause.",
    {
        "check": f"{__name__}.check:Check",
        "baseline": f"{__name__}.baseline:Learn",
        "describe": f"{__name__}.describe:Describe",
        "decide": f"{__name__}.decide:Decide",
        "sabotage": f"{__name__}.sabotage:Sabotage",
        "excerpt": f"{__name__}.excerpt:Excerpt",
        "evaluate": f"{__name__}.evaluate:Evaluate",
        "canary": f"{__name__}.canary:Canary",
        "version": f"{__name__}.version:Version",
        "model": f"{__name__}.model:MODEL",
    },
)
