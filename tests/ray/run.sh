#!/bin/sh
# Tests against real Ray nodes on loopback: builds .venv-ray (this package, its tests' needs and Ray) and runs
#
#     tests/ray/run.sh           replicas that share work, come, go, freeze and are killed; stores equal trace for trace
#     tests/ray/run.sh build     the environment alone
#
# Where the environment cannot be built it says why and succeeds. A virtual environment with uv stands in .venv.
set -eu
cd "$(dirname "$0")/../.."
python=.venv-ray/bin/python

skip() {
    echo "test-ray skipped: $1"
    exit 0
}

built() {
    cat requirements.lock requirements-ray.lock | cmp -s - .venv-ray/.built
}

build() {
    rm -rf .venv-ray
    "${PYTHON:-python3}" -m venv .venv-ray || return 1
    .venv/bin/uv pip install --quiet --python $python --compile-bytecode --require-hashes \
        -r requirements.lock -r requirements-ray.lock || return 1
    .venv/bin/uv pip install --quiet --no-deps --python $python --editable . || return 1
    cat requirements.lock requirements-ray.lock >.venv-ray/.built
}

built || build || skip "its environment could not be built (see above); it needs a package index and 2 GB of disk."
$python -c "import ray" || skip "Ray cannot be imported here (see above)."
[ "${1:-}" != build ] || exit 0
exec $python -m pytest tests/ray "$@"
