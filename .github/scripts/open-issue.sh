#!/usr/bin/env bash
# Opens an issue that asks for a person, unless one with its title is open: a job may be run again.
set -euo pipefail

open=$(gh issue list --label "$LABEL" --state open --limit 100 --json number,title \
  --jq ".[] | select(.title == env.TITLE) | .number" | head -n 1)
if [[ $open ]]; then
  echo "::notice title=Sentinel::issue $open already asks for it"
  exit 0
fi
gh label create "$LABEL" --color D93F0B --description "$LABEL_SAYS" 2>/dev/null || true  # it may be there
gh issue create --title "$TITLE" --body-file "$BODY" --label "$LABEL"
