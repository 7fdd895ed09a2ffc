#!/usr/bin/env bash
# Gets the footage that a monitor run left for its retraining.
set -euo pipefail
WORKFLOW=monitor.yml exec .github/scripts/fetch-artifact.sh "$RUN_ID" "$ARTIFACT" "$FOOTAGE"
