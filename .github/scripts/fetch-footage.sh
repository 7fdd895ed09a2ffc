#!/usr/bin/env bash
# Gets the footage that a monitor run left for its retraining.
set -euo pipefail

refuse() {
  echo "::error title=Sentinel::$1"
  exit 1
}

[[ $RUN_ID =~ ^[0-9]+$ ]] || refuse "monitor_run_id is no number; expected the id of the run that holds the footage"
[[ $ARTIFACT =~ ^[A-Za-z0-9._-]+$ ]] || refuse "artifact is no name of an artifact; expected one as sentinel-footage"
event=$(gh api "repos/$GH_REPO/actions/runs/$RUN_ID" --jq .event) ||
  refuse "run $RUN_ID is not known here; expected the id of the monitor's run that holds the footage"
# What a pull request brings along is anybody's, and would be learned.
[[ $event != pull_request* ]] || refuse "run $RUN_ID is of a pull request; expected one of the monitor"
gh run download "$RUN_ID" --name "$ARTIFACT" --dir "$FOOTAGE" ||
  refuse "run $RUN_ID has no artifact $ARTIFACT (any more); call again with a newer run, or keep footage longer"
