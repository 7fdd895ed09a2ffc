#!/usr/bin/env bash
# Names the footage to check; where SABOTAGE asks for it, a damaged copy of it.
set -euo pipefail
source "${BASH_SOURCE[0]%/*}/container.sh"

judged=$INCOMING
if [[ $SABOTAGE ]]; then
  [[ $SABOTAGE =~ ^[a-z_]+:[0-9]$ ]] || refuse "sabotage is '$SABOTAGE'; expected KIND:SEVERITY, as fog:3"
  rm -rf "$DAMAGED" && mkdir -p "$DAMAGED"
  footage=$(mount_footage "$INCOMING")
  results=$(mount "$DAMAGED" /app/status_output)
  sentinel --mount "$footage" --mount "$results" "$IMAGE" sabotage --source /app/incoming_data \
    --kind "${SABOTAGE%%:*}" --severity "${SABOTAGE##*:}" --output /app/status_output/damaged
  judged=$DAMAGED/damaged
fi
echo "incoming=$judged" >>"$GITHUB_OUTPUT"
