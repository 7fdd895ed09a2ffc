#!/usr/bin/env bash
# The red phone itself: starts the retraining workflow once.
#
# Only a server that stumbles is asked again, and only after looking whether the call got through all the same. A wrong
# token, name or input fails at once. A job that is run again calls nobody while what it called for is under way.
set -euo pipefail

tries=4
by_hand="call it by hand: gh workflow run $WORKFLOW"

# A question to GitHub, asked again while the server stumbles.
ask() {
  local attempt
  for ((attempt = 1; attempt < tries; attempt++)); do
    if gh "$@"; then return; fi
    sleep "$((attempt * ${RETRY_SECONDS:-5}))"
  done
  gh "$@"
}

newest_run() { ask run list --workflow "$WORKFLOW" --limit 20 --json databaseId --jq '[.[].databaseId] | max // 0'; }
running() {
  ask run list --workflow "$WORKFLOW" --limit 100 --json databaseId,status \
    --jq '[.[] | select(.status != "completed") | .databaseId] | first // ""'
}

under_way=$(running) || {
  echo "::error title=Sentinel::GitHub does not say whether a retraining is under way; $by_hand"
  exit 1
}
if [[ $under_way ]]; then
  echo "::notice title=Sentinel::no call: run $under_way of $WORKFLOW is under way"
  exit 0
fi
known=$(newest_run) || {
  echo "::error title=Sentinel::GitHub does not say which retrainings there were; $by_hand"
  exit 1
}

for ((try = 1; try <= tries; try++)); do
  if said=$(gh workflow run "$WORKFLOW" --ref "$REF" -f "drift_score=$DRIFT_SCORE" -f "causes=$CAUSES" \
    -f "monitor_run_id=$RUN_ID" -f "artifact=$ARTIFACT" -f "drill=$DRILL" 2>&1); then
    echo "$said"
    echo "::notice title=Sentinel::retraining called ($WORKFLOW on $REF)"
    exit 0
  fi
  echo "$said" >&2
  [[ $said =~ HTTP\ 5[0-9][0-9]|EOF|timeout|connection\ (reset|refused) ]] || break
  sleep "$((try * ${RETRY_SECONDS:-5}))"
  newest=$(newest_run) || break  # not knowing whether it got through, it must not be called twice
  if ((newest > known)); then
    echo "::notice title=Sentinel::retraining called: run $newest began although GitHub answered with an error"
    exit 0
  fi
done
echo "::error title=Sentinel::retraining could not be called (see the log); $by_hand"
exit 1
