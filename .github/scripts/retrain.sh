#!/usr/bin/env bash
# Fine-tunes, proves and refreshes, in the workshop's container, and tells how it ended. A challenger that is not proven is
# no error: the champion stays. The checkout is mounted to be read; what comes out is taken for what untrusted footage
# could have made of it.
set -euo pipefail
source .github/actions/sentinel/container.sh

[[ $MINUTES =~ ^[0-9]+(\.[0-9]+)?$ ]] || refuse "minutes is no number; expected how long to train, as 3"
# The run that called keeps the footage, for as long as its owner said; no copy of it stays here, however this ends.
trap 'rm -rf retrain_output/footage retrain_output/damaged' EXIT
mkdir -p retrain_output
checkout=$(mount . /workshop ,readonly)
changed=$(mount "$FOOTAGE" /footage ,readonly)
results=$(mount retrain_output /retrained)
ended=0
sentinel --memory "${MEMORY:-6g}" --pids-limit 2048 --mount "$checkout" --mount "$changed" --mount "$results" "$WORKSHOP" \
  --new /footage --baseline "$BASELINE" --golden "$GOLDEN" --minutes "$MINUTES" --output /retrained ||
  ended=$?
if [[ -s retrain_output/report.md ]]; then
  {
    echo "Called by [a check]($MONITOR_RUN): drift score ${DRIFT_SCORE:-not given}, causes ${CAUSES:-not given}."
    echo
    head --bytes 500000 retrain_output/report.md
  } >retrain_output/report.part
  mv retrain_output/report.part retrain_output/report.md
  cat retrain_output/report.md >>"$GITHUB_STEP_SUMMARY"
fi
[[ -s retrain_output/outcome.json ]] || exit "$((ended ? ended : 1))"
outcome=$(python3 -c 'import json; print(json.load(open("retrain_output/outcome.json"))["outcome"])')
case $outcome in
  promoted | refreshed | blinded | refused | 'rolled back' | undecided) ;;
  *) refuse "the retraining tells no outcome that it has; see the log" ;;
esac
echo "outcome=$outcome" >>"$GITHUB_OUTPUT"
echo "::notice title=Sentinel::retraining ended: $outcome"
