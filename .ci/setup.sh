#!/usr/bin/env bash
# Makes .venv with this checkout and the named extras in it; does nothing when that is done.
# Usage: setup.sh EXTRA[,EXTRA...]   Environment: PYTHON, PIP_ARGS.
set -euo pipefail

extras=$1
python=${PYTHON:-python3}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# What the environment was made of: another path, pin or interpreter makes it anew.
made_of=$({ echo "$root"; "$python" -VV; cat pyproject.toml .ci/constraints.txt; } | sha256sum)
stamp=.venv/made-of
if [[ -e $stamp && $(head -n 1 "$stamp") == "$made_of" ]]; then
    tail -n +2 "$stamp" | grep -qxF "$extras" && exit 0
else
    rm -rf .venv
fi

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "Python 3.11 or newer is needed; PYTHON=... names another interpreter" >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    .ci/apt.sh python3-venv || {
        echo "Python cannot make virtual environments; run: apt-get install python3-venv" >&2
        exit 1
    }
fi

began=$SECONDS
if [[ ! -x .venv/bin/python ]]; then
    echo "setting up .venv (once; some minutes)"
    "$python" -m venv .venv
fi
install() {
    # shellcheck disable=SC2086  # PIP_ARGS is a list of words
    .venv/bin/python -m pip --disable-pip-version-check install -qq --retries 5 \
        --constraint .ci/constraints.txt ${PIP_ARGS:-} "$@"
}
# First and alone: the largest download, and the one whose failure should be named.
install torch
install --editable ".[$extras]"

[[ -e $stamp ]] || echo "$made_of" >"$stamp"
echo "$extras" >>"$stamp"
echo "set up in $((SECONDS - began)) s"
