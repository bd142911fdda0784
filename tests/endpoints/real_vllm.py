"""What tests on the real vLLM share: where they run at all, small settings, and a quiet environment."""

import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

A2R = str(Path(sys.executable).with_name("a2r"))
VLLM = os.environ.get("A2R_VLLM_PYTHON", "")
"""A Python that has vLLM, where this one has not."""
COMMAND = [VLLM, "-m", "vllm.entrypoints.openai.api_server"]
ARGS = {
    "dtype": "float32",
    "max_model_len": 512,
    "max_num_seqs": 64,
    "enforce_eager": True,
    "gpu_memory_utilization": 0.1,
}
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "HF_HUB_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_WORKER_SHUTDOWN_TIMEOUT_SECONDS": "1",  # seconds; a CPU's worker was never seen to end by itself
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "300",
}


needs_vllm_elsewhere = pytest.mark.skipif(not VLLM, reason="A2R_VLLM_PYTHON names no Python that has vLLM")


def needs_vllm():
    """Skip the module that calls it where vLLM is not installed beside this package."""
    try:
        version("vllm-cpu")
    except PackageNotFoundError:
        pytest.skip(
            "vLLM is not installed here; `make test-vllm` builds an environment", allow_module_level=True
        )


def environment(folder):
    """A run's: Prefect and the state of servers lie in `folder`, and none of the user's settings count."""
    ours = {"PREFECT_HOME": str(folder / "prefect"), "XDG_STATE_HOME": str(folder / "state")}
    theirs = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return theirs | ENVIRONMENT | ours
