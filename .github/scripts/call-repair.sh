#!/usr/bin/env bash
# Opens an issue that asks for a look at the camera.
set -euo pipefail

gh label create sentinel-repair --color D93F0B --description "A camera needs a person" 2>/dev/null || true  # it may be there
gh issue create --title "$TITLE" --body-file "$BODY" --label sentinel-repair
