# Sourced by the scripts beside it: the one way in which the container is started.
# shellcheck shell=bash

# Says what is wrong, where GitHub shows it, and ends. (On standard error, so that it is also heard from within $(...).)
refuse() {
  echo "::error title=Sentinel::$(escaped "$1")" >&2
  exit 1
}

# A text as a workflow command takes it.
escaped() {
  local text=${1//'%'/'%25'}
  text=${text//$'\r'/'%0D'}
  printf '%s' "${text//$'\n'/'%0A'}"
}

# The value of docker's --mount for a path that exists: mount PATH IN_CONTAINER [,readonly]
mount() {
  local path
  path=$(realpath -e -- "$1") || refuse "no such path: $1"
  [[ $path != *[,\"$'\n']* ]] || refuse "the path $path holds a comma, a quote or a line break, which docker cannot mount"
  printf 'type=bind,src=%s,dst=%s%s' "$path" "$2" "${3:-}"
}

# The same for footage: a folder in place of the container's own, a single video inside it.
mount_footage() {
  local path place=/app/incoming_data
  path=$(realpath -e -- "$1") || refuse "no such footage: $1; expected an image folder, a video, or a folder of either"
  [[ -d $path ]] || place+=/${path##*/}
  mount "$path" "$place" ,readonly
}

# No network, nothing to write but what is mounted, no root, no capability, bounded memory: footage is untrusted. Of what it
# leaves in folders it may write, only files and folders stay: what follows on this host must not be led elsewhere by a
# link, nor wait for a pipe, by whatever opened the footage.
sentinel() {
  local ended=0 word
  docker run --rm --network none --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
    --memory 512m --pids-limit 256 --user "$(id -u):$(id -g)" "$@" || ended=$?
  for word in "$@"; do
    if [[ $word =~ ^type=bind,src=([^,]+),dst=[^,]+$ ]]; then
      find "${BASH_REMATCH[1]}" -mindepth 1 ! -type f ! -type d -delete
    fi
  done
  return "$ended"
}
