#!/usr/bin/env bash
# The red phone itself: starts the retraining workflow once.
#
# Only a server that stumbles is asked again, and only after looking whether the call got through all the same. A wrong
# token, name or input fails at once.
set -euo pipefail

tries=4
newest_run() { gh run list --workflow "$WORKFLOW" --limit 20 --json databaseId --jq '[.[].databaseId] | max // 0'; }
known=$(newest_run)

for ((try = 1; try <= tries; try++)); do
  if said=$(gh workflow run "$WORKFLOW" --ref "$REF" -f "drift_score=$DRIFT_SCORE" -f "causes=$CAUSES" \
    -f "monitor_run_id=$RUN_ID" -f "artifact=$ARTIFACT" 2>&1); then
    echo "$said"
    echo "::notice title=Sentinel::retraining called ($WORKFLOW on $REF)"
    exit 0
  fi
  echo "$said" >&2
  [[ $said =~ HTTP\ 5[0-9][0-9]|EOF|timeout|connection\ (reset|refused) ]] || break
  sleep "$((try * ${RETRY_SECONDS:-5}))"
  newest=$(newest_run)
  if ((newest > known)); then
    echo "::notice title=Sentinel::retraining called: run $newest began although GitHub answered with an error"
    exit 0
  fi
done
echo "::error title=Sentinel::retraining could not be called (see the log); call it by hand: gh workflow run $WORKFLOW"
exit 1
