#!/usr/bin/env bash
# Gets the footage that a monitor run left for its retraining.
set -euo pipefail

refuse() {
  echo "::error title=Sentinel::$1"
  exit 1
}

[[ $RUN_ID =~ ^[0-9]+$ ]] || refuse "monitor_run_id is no number; expected the id of the run that holds the footage"
[[ $ARTIFACT =~ ^[A-Za-z0-9._-]+$ ]] || refuse "artifact is no name of an artifact; expected one as sentinel-footage"
gh run download "$RUN_ID" --name "$ARTIFACT" --dir "$FOOTAGE" ||
  refuse "run $RUN_ID has no artifact $ARTIFACT (any more); call again with a newer run, or keep footage longer"
