#!/usr/bin/env bash
# Asks for a person where a retraining proved no challenger better, or broke: the champion stays, and nothing got better by
# itself. What was measured is put into the issue, as far as an issue takes it.
set -euo pipefail

longest=60000
BODY=$(mktemp)
if [[ $OUTCOME ]]; then
  TITLE="The retraining proved no better model"
  echo "The retraining ended $OUTCOME: the champion and the baseline stay as they are, and the check will go on failing."
else
  TITLE="The retraining broke"
  echo "The retraining did not come to its end: the champion and the baseline stay as they are, and the check will go on failing."
fi >"$BODY"
{
  echo "[The run]($RETRAINING_RUN) holds what was trained and measured."
  echo
  if [[ -f $REPORT && ! -L $REPORT ]]; then head --bytes "$longest" "$REPORT"; fi
} >>"$BODY"
export TITLE BODY
exec .github/scripts/open-issue.sh
