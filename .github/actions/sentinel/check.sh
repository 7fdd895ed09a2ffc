#!/usr/bin/env bash
# Runs the check in its container and passes its exit code on as an output. What it means is for `decide` to say, which
# reads the verdict: so every exit code ends this step well, also that of a container which was killed.
set -euo pipefail
source "${BASH_SOURCE[0]%/*}/container.sh"

mkdir -p "$OUTPUT"
rm -rf "$OUTPUT/status" "$OUTPUT/verdict.json"  # a container that never starts must leave no older verdict
footage=$(mount_footage "$INCOMING")
results=$(mount "$OUTPUT" /app/status_output)
options=(--mount "$footage" --mount "$results" --env "SENTINEL_EVIDENCE=$EVIDENCE" --env "SENTINEL_THRESHOLD=$THRESHOLD")
if [[ $BASELINE ]]; then
  golden=$(mount "$BASELINE" /app/baseline/golden.npz ,readonly)
  options+=(--mount "$golden" --env SENTINEL_BASELINE=/app/baseline/golden.npz)  # said, so that it is nobody's sample
fi
exit_code=0
sentinel "${options[@]}" "$IMAGE" check >/dev/null || exit_code=$?
echo "exit_code=$exit_code" >>"$GITHUB_OUTPUT"
