#!/usr/bin/env bash
# Puts the refreshed baseline on a branch, with the promoted challenger where there is one, and opens a pull request, so
# that a person sees both.
set -euo pipefail

# An environment exists as soon as a job names it, without anybody to wait for.
reviewers=$(gh api "repos/$GH_REPO/environments/promotion" \
  --jq '[.protection_rules[]? | select(.type == "required_reviewers") | .reviewers[]?] | length') || reviewers=unknown
if [[ $reviewers == 0 || $reviewers == unknown ]]; then
  unguarded="the environment promotion names no required reviewers, so nobody was asked before this branch was pushed"
  [[ $reviewers == 0 ]] || unguarded="GitHub does not say whether the environment promotion has required reviewers"
  echo "::warning title=Sentinel::$unguarded; name some in Settings > Environments"
  printf '\n> [!WARNING]\n> %s.\n' "$unguarded" >>retrain_output/report.md
fi
title="Refresh the baseline; the champion stays"
if [[ $OUTCOME == promoted ]]; then
  title="Promote the retrained interpolator, refresh the baseline"
  cp -R retrain_output/models/vfi/. models/vfi/
fi
cp retrain_output/baseline/golden.npz "$BASELINE"
git switch --create "$BRANCH"
git add models/vfi "$BASELINE"
git -c user.name='sentinel' -c user.email='sentinel@users.noreply.github.com' commit --quiet \
  --message "$title"
# shellcheck disable=SC2016  # the token is for git's own shell to fill in, and stays out of this command line
git -c credential.helper= -c credential.helper='!f() { echo username=x-access-token; echo "password=$GH_TOKEN"; }; f' \
  push --quiet origin "+HEAD:refs/heads/$BRANCH"
[[ $(gh pr list --head "$BRANCH" --state open --json number --jq length) != 0 ]] || gh pr create --base "$BASE" --head "$BRANCH" --title "$title" \
    --body-file retrain_output/report.md
gh workflow run ci.yml --ref "$BRANCH"
