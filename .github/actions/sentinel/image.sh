#!/usr/bin/env bash
# image.sh key: the cache key of the image that has to be built here; nothing where one was named.
# image.sh build: builds it and puts it into ARCHIVE, for the cache.
# image.sh get: takes it out of there, builds it, or pulls the one that was named; and names it by its digest, which nobody
# can move.
set -euo pipefail
source "${BASH_SOURCE[0]%/*}/container.sh"
root=$(cd "${BASH_SOURCE[0]%/*}/../../.." && pwd)

key() {
  if [[ $IMAGE ]]; then return; fi
  # Everything the build reads, and the week, so that the base's security updates arrive.
  local content
  content=$(cd "$root" && find Dockerfile pyproject.toml README.md LICENSE THIRD-PARTY.md requirements sentinel_edge models baseline \
    -type f ! -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c -16)
  echo "key=sentinel-image-$(uname -m)-$(date -u +%G-%V)-$content" >>"$GITHUB_OUTPUT"
}

built=sentinel-edge:built

make_image() {
  local flags
  read -ra flags <<<"${DOCKER_BUILD_FLAGS:-}"
  DOCKER_BUILDKIT=1 docker build --quiet "${flags[@]}" --tag "$built" "$root"
}

build() {
  make_image
  mkdir -p "${ARCHIVE%/*}"
  docker save "$built" | gzip -1 >"$ARCHIVE"
}

get() {
  local name=$IMAGE
  if [[ -z $name ]]; then
    name=$built
    if [[ -s $ARCHIVE ]]; then
      docker load --quiet --input "$ARCHIVE"
    else
      make_image
    fi
  elif ! docker image inspect "$name" >/dev/null 2>&1; then
    docker pull --quiet "$name" || refuse "the image $name cannot be pulled; name one as registry/name@sha256:..."
  fi
  local id
  id=$(docker image inspect --format '{{.Id}}' "$name")
  echo "image $name is $id"
  echo "image=$id" >>"$GITHUB_OUTPUT"
}

case ${1:-} in key | build | get) "$1" ;; *) echo "image.sh key|build|get" >&2; exit 2 ;; esac
