#!/usr/bin/env bash
# Asks GitHub what is under way. Where it gets no answer it leaves no file, and `decide` then calls for nothing.
set -euo pipefail

ask() {
  local answer=$1 attempt
  shift
  rm -rf "$answer" "$answer.part"  # whatever the container left there
  for attempt in 1 2 3; do
    if gh "$@" >"$answer.part"; then
      mv "$answer.part" "$answer"
      return
    fi
    rm -f "$answer.part"
    ((attempt == 3)) || sleep "${RETRY_SECONDS:-5}"
  done
  echo "::warning title=Sentinel::GitHub does not say what is under way (gh $1 $2)"
}

ask "$OUTPUT/retrainings.json" run list --workflow "$WORKFLOW" --limit 100 --json databaseId,status,createdAt
ask "$OUTPUT/proposals.json" pr list --state open --limit 100 --json number,headRefName
ask "$OUTPUT/repairs.json" issue list --label sentinel-repair --state open --limit 100 --json number,title
