#!/bin/sh
# Servers that nobody here wrote, each in an environment of its own: `transformers serve`, and the LiteLLM proxy in front of it.
#
#     tests/servers/run.sh           builds .venv-transformers and .venv-litellm (2 GB) where they are not there, then tests
#
# Where they cannot be built it says why and succeeds.
set -eu
cd "$(dirname "$0")/../.."

skip() {
    echo "test-servers skipped: $1"
    exit 0
}

# built NAME PACKAGE…: an environment with these packages, made once
built() {
    name=$1
    shift
    [ "$(cat "$name/.built" 2>/dev/null)" = "$*" ] && return
    rm -rf "$name"
    "${PYTHON:-python3}" -m venv "$name" || return 1
    "$name/bin/python" -m pip install --quiet --disable-pip-version-check "$@" || return 1
    echo "$*" >"$name/.built"
}

built .venv-transformers torch==2.13.0 "transformers[serving]==5.24.0" || skip "transformers could not be installed (see above)."
built .venv-litellm "litellm[proxy]==1.108.7" || skip "the LiteLLM proxy could not be installed (see above)."
A2R_TRANSFORMERS="$PWD/.venv-transformers" A2R_LITELLM="$PWD/.venv-litellm" exec .venv/bin/python -m pytest tests/servers
