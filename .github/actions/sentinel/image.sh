#!/usr/bin/env bash
# image.sh key: the cache key of the image that has to be built here; nothing where one was named.
# image.sh get: makes sure that the image is there, and names it by its digest, which nobody can move.
set -euo pipefail
source "${BASH_SOURCE[0]%/*}/container.sh"
root=$(cd "${BASH_SOURCE[0]%/*}/../../.." && pwd)

key() {
  if [[ $IMAGE ]]; then return; fi
  # Everything the build reads, and the week, so that the base's security updates arrive.
  local content
  content=$(cd "$root" && find Dockerfile pyproject.toml README.md LICENSE requirements sentinel_edge models baseline \
    -type f ! -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c -16)
  echo "key=sentinel-image-$(uname -m)-$(date -u +%G-%V)-$content" >>"$GITHUB_OUTPUT"
}

get() {
  local name=$IMAGE
  if [[ -z $name ]]; then
    name=sentinel-edge:built
    if [[ -s $ARCHIVE ]]; then
      docker load --quiet --input "$ARCHIVE"
    else
      local flags
      read -ra flags <<<"${DOCKER_BUILD_FLAGS:-}"
      DOCKER_BUILDKIT=1 docker build --quiet "${flags[@]}" --tag "$name" "$root"
      mkdir -p "${ARCHIVE%/*}"
      docker save "$name" | gzip -1 >"$ARCHIVE.part"
      mv "$ARCHIVE.part" "$ARCHIVE"
    fi
  elif ! docker image inspect "$name" >/dev/null 2>&1; then
    docker pull --quiet "$name" || refuse "the image $name cannot be pulled; name one as registry/name@sha256:..."
  fi
  local id
  id=$(docker image inspect --format '{{.Id}}' "$name")
  echo "image $name is $id"
  echo "image=$id" >>"$GITHUB_OUTPUT"
}

case ${1:-} in key | get) "$1" ;; *) echo "image.sh key|get" >&2; exit 2 ;; esac
