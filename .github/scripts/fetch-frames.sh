#!/usr/bin/env bash
# Finds the footage that FRAMES names and says where it is: outputs `incoming`, `baseline` and `sabotage`.
#   sample                    the sample camera's footage, by the sample camera's baseline
#   sabotage:KIND:SEVERITY    a fire drill: the watched footage, or where there is none the sample, damaged
#   artifact:RUN:NAME         what another run uploaded; which are trusted, fetch-artifact.sh says
#   anything else             a path on this runner
# WATCHED is what a scheduled run looks at, BASELINE what it is judged by; both may be empty.
set -euo pipefail

refuse() {
  echo "::error title=Sentinel::$1"
  exit 1
}

sample=tests/data/campus-incoming.mp4
sabotage=
sample_golden=baseline/golden.npz
golden=$BASELINE
[[ $FRAMES$WATCHED$BASELINE != *$'\n'* ]] || refuse "frames or baseline hold a line break; expected one path"
case $FRAMES in
  sample)
    incoming=$sample
    golden=$sample_golden
    ;;
  sabotage:*)
    sabotage=${FRAMES#sabotage:}
    incoming=$WATCHED
    if [[ -z $WATCHED || $WATCHED == sample ]]; then
      incoming=$sample
      golden=$sample_golden
    fi
    ;;
  artifact:*)
    [[ $FRAMES =~ ^artifact:([0-9]+):([A-Za-z0-9._-]+)$ ]] ||
      refuse "frames name no artifact; expected artifact:RUN:NAME, as artifact:1234567890:footage"
    incoming=$RUNNER_TEMP/frames
    .github/scripts/fetch-artifact.sh "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}" "$incoming"
    ;;
  *) incoming=$FRAMES ;;
esac
[[ -e $incoming ]] ||
  refuse "frames name no footage on this runner; expected sample, sabotage:KIND:SEVERITY, artifact:RUN:NAME or a path"
{
  echo "incoming=$incoming"
  echo "baseline=$golden"
  echo "sabotage=$sabotage"
} >>"$GITHUB_OUTPUT"
