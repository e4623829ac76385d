#!/usr/bin/env bash
# The main job, from files to an answer: validate, diff, apply, ask, look, stop.
# Everything it makes lies in LMCTL_DEMO_HOME (default: build/demo-home of this checkout), so that
# a box of yours is not touched.
set -euo pipefail
cd "$(dirname "$0")/.."
export LMCTL_HOME=${LMCTL_DEMO_HOME:-$PWD/build/demo-home}
fleet=${1:-examples/quickstart}

say() { printf '\n$ %s\n' "$*"; }
run() { say "$@"; "$@"; }
stop() { lmctl daemon down --quiet || true; }
trap stop EXIT

run lmctl validate "$fleet"
say lmctl diff "$fleet"
lmctl diff "$fleet" || [ $? -eq 1 ] # 1 means there are differences, which is what we came for
run lmctl apply --yes "$fleet"
run lmctl apply --yes "$fleet"
url=$(lmctl status -o json | python -c 'import json, sys; print(json.load(sys.stdin)["url"])')
run python examples/ask.py "$url" "What is the capital of France? Answer in one sentence."
run lmctl status
run lmctl daemon down
trap - EXIT
