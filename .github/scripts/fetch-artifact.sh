#!/usr/bin/env bash
# fetch-artifact.sh RUN NAME FOLDER: gets what another run left, where that run can be trusted with footage: one that
# somebody who may write here, or the schedule, started; on the default branch; of this repository; of a workflow that
# stands there (with WORKFLOW of that one). What a pull request brings along is anybody's: it would be judged, and learned.
set -euo pipefail

refuse() {
  echo "::error title=Sentinel::$1"
  exit 1
}

run=$1 name=$2 folder=$3
[[ $run =~ ^[0-9]+$ ]] || refuse "the run that holds the footage is no number; expected its id"
[[ $name =~ ^[A-Za-z0-9._-]+$ ]] || refuse "artifact is no name of an artifact; expected one as sentinel-footage"
about=$(gh api "repos/$GH_REPO/actions/runs/$run" --jq \
  '[.event, .path, .head_branch, .head_repository.owner.login + "/" + .head_repository.name] | .[] // ""') ||
  refuse "run $run is not known here; expected the id of a run of this repository that holds the footage"
branch=$(gh api "repos/$GH_REPO" --jq .default_branch) || refuse "GitHub does not say which branch is the default one"
{ read -r event; read -r workflow; read -r from; read -r repository; } <<<"$about"
workflow=${workflow%%@*}
case $event in
  schedule | workflow_dispatch | repository_dispatch | push) ;;
  pull_request*) refuse "run $run is of a pull request; expected one that the schedule or a maintainer started" ;;
  *) refuse "run $run was started by ${event:-nobody knows what}; expected the schedule, a dispatch or a push" ;;
esac
[[ ${repository,,} == "${GH_REPO,,}" ]] || refuse "run $run is of another repository; expected one of $GH_REPO"
[[ $from == "$branch" ]] || refuse "run $run is of another branch; expected one of $branch"
if [[ ${WORKFLOW:-} ]]; then
  [[ $workflow == ".github/workflows/$WORKFLOW" ]] || refuse "run $run is of another workflow; expected one of $WORKFLOW"
else
  [[ $workflow == .github/workflows/* && -f $workflow ]] ||
    refuse "run $run is of a workflow that is not on $branch; expected one of this repository's"
fi
rm -rf "$folder"
gh run download "$run" --name "$name" --dir "$folder" ||
  refuse "run $run has no artifact $name (any more); expected a newer run, or one that keeps it longer"
