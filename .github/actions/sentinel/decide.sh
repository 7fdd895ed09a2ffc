#!/usr/bin/env bash
# Decides what the check calls for, in the container, and tells it: outputs, the job's summary, annotations.
# Settings of `sentinel-edge decide` come from the environment: SENTINEL_POLICY, SENTINEL_COOLDOWN_HOURS and so on.
set -euo pipefail
source "${BASH_SOURCE[0]%/*}/container.sh"

memory=$(dirname "$HISTORY")
mkdir -p "$memory" "$OUTPUT"
rm -rf "$OUTPUT"/{outputs,decision.json,summary.md,repair.md}  # a container that never starts must leave no older decision
options=(--verdict /app/status_output/verdict.json --exit-code "$EXIT_CODE" --output /app/status_output
  --history "/history/$(basename "$HISTORY")")
if [[ $ASKED && $EXIT_CODE == 3 ]]; then
  options+=(--retrainings /app/status_output/retrainings.json --proposals /app/status_output/proposals.json
    --repairs /app/status_output/repairs.json)
fi
settings=()
for name in POLICY FAILS_NEEDED OF_LAST COOLDOWN_HOURS DAILY_MAXIMUM MAINTENANCE_UNTIL ACKNOWLEDGED RED_PHONE RUN_URL; do
  settings+=(--env "SENTINEL_$name")
done
results=$(mount "$OUTPUT" /app/status_output)
remembered=$(mount "$memory" /history)
decided=0
sentinel "${settings[@]}" --mount "$results" --mount "$remembered" "$IMAGE" decide "${options[@]}" || decided=$?
[[ -s $OUTPUT/outputs ]] || refuse "no decision was made (exit code $decided); nothing is called for"
cat "$OUTPUT/outputs" >>"$GITHUB_OUTPUT"
cat "$OUTPUT/summary.md" >>"$GITHUB_STEP_SUMMARY"
told=$(grep -m 1 '^reason=' "$OUTPUT/outputs")
reason=${told#reason=}
((decided == 0)) || refuse "$reason"
case $(<"$OUTPUT/outputs") in
  status=PASS*) echo "::notice title=Sentinel PASS::$(escaped "$reason")" ;;
  *) echo "::warning title=Sentinel FAIL::$(escaped "$reason")" ;;
esac
