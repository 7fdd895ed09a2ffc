#!/usr/bin/env bash
# Finds the footage that FRAMES names and says where it is: outputs `incoming` and `sabotage`.
#   sample                    the sample camera's footage
#   sabotage:KIND:SEVERITY    the same, damaged: a fire drill
#   artifact:RUN:NAME         what another run of this repository uploaded
#   anything else             a path on this runner
set -euo pipefail

sample=tests/data/campus-incoming.mp4
sabotage=
case $FRAMES in
  sample) incoming=$sample ;;
  sabotage:*)
    incoming=$sample
    sabotage=${FRAMES#sabotage:}
    ;;
  artifact:*)
    [[ $FRAMES =~ ^artifact:([0-9]+):([A-Za-z0-9._-]+)$ ]] || {
      echo "::error title=Sentinel::frames name no artifact; expected artifact:RUN:NAME, as artifact:1234567890:footage"
      exit 1
    }
    incoming=$RUNNER_TEMP/frames
    rm -rf "$incoming"
    gh run download "${BASH_REMATCH[1]}" --name "${BASH_REMATCH[2]}" --dir "$incoming"
    ;;
  *) incoming=$FRAMES ;;
esac
[[ $incoming != *$'\n'* && -e $incoming ]] || {
  echo "::error title=Sentinel::frames name no footage on this runner; expected sample, sabotage:KIND:SEVERITY, artifact:RUN:NAME or a path"
  exit 1
}
{
  echo "incoming=$incoming"
  echo "sabotage=$sabotage"
} >>"$GITHUB_OUTPUT"
