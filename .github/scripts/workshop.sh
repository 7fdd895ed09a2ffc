#!/usr/bin/env bash
# Makes sure that the image to train in is there, before any footage is: builds it, or pulls the one that is named.
set -euo pipefail
source .github/actions/sentinel/container.sh

name=$WORKSHOP
if [[ -z $name ]]; then
  name=sentinel-workshop:built
  make --no-print-directory workshop WORKSHOP="$name"
elif ! docker image inspect "$name" >/dev/null 2>&1; then
  docker pull --quiet "$name" || refuse "the image $name cannot be pulled; name one as registry/name@sha256:..."
fi
id=$(docker image inspect --format '{{.Id}}' "$name")
echo "image $name is $id"
echo "image=$id" >>"$GITHUB_OUTPUT"
