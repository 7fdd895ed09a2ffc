#!/usr/bin/env bash
# Copies of the footage what a retraining needs, at its native rate and without loss, within a limit.
set -euo pipefail
source .github/actions/sentinel/container.sh

mkdir -p "$OUTPUT"
footage=$(mount_footage "$INCOMING")
results=$(mount "$OUTPUT" /app/status_output)
sentinel --mount "$footage" --mount "$results" "$IMAGE" excerpt --source /app/incoming_data \
  --output /app/status_output/footage --megabytes "$MEGABYTES"
