#!/usr/bin/env bash
# Fine-tunes, proves and refreshes (`make retrain`), and tells how it ended. A challenger that is not proven is no error:
# the champion stays.
set -euo pipefail

[[ $MINUTES =~ ^[0-9]+(\.[0-9]+)?$ ]] || {
  echo "::error title=Sentinel::minutes is no number; expected how long to train, as 3"
  exit 1
}
# The run that called keeps the footage, for as long as its owner said; no copy of it stays here, however this ends.
trap 'rm -rf retrain_output/footage retrain_output/damaged' EXIT
ended=0
make --no-print-directory retrain BASELINE="$BASELINE" SOURCE="$GOLDEN" NEW="$FOOTAGE" MINUTES="$MINUTES" RETRAINED=retrain_output || ended=$?
if [[ -s retrain_output/report.md ]]; then
  {
    echo "Called by [a check]($MONITOR_RUN): drift score ${DRIFT_SCORE:-not given}, causes ${CAUSES:-not given}."
    echo
    cat retrain_output/report.md
  } >retrain_output/report.part
  mv retrain_output/report.part retrain_output/report.md
  cat retrain_output/report.md >>"$GITHUB_STEP_SUMMARY"
fi
[[ -s retrain_output/outcome.json ]] || exit "$((ended ? ended : 1))"
outcome=$(python3 -c 'import json; print(json.load(open("retrain_output/outcome.json"))["outcome"])')
echo "outcome=$outcome" >>"$GITHUB_OUTPUT"
echo "::notice title=Sentinel::retraining ended: $outcome"
