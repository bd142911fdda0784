"""The files that docs/cluster.md offers: they parse, and the experiments in them are ours. Their own tools are run by hand."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from configs.loading import load_experiment

FOLDER = Path(__file__).parents[2] / "docs" / "cluster"
KUBERAY = list(yaml.safe_load_all((FOLDER / "kuberay-job.yaml").read_text()))


def named(folder):
    return pytest.mark.parametrize("path", sorted(folder), ids=lambda path: path.name)


def pods(job):
    cluster = job["spec"]["rayClusterSpec"]
    return [group["template"]["spec"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]


@named(FOLDER.glob("*.yaml"))
def test_yaml_says_what_to_change_and_parses(path):
    assert "\n# Change: " in path.read_text()
    assert all(yaml.safe_load_all(path.read_text()))


@named([*FOLDER.glob("*.sh"), *FOLDER.glob("*.slurm")])
def test_a_script_says_what_to_change_and_parses(path):
    assert "\n# Change: " in path.read_text()
    subprocess.run(["bash", "-n", path], check=True)
    if checker := shutil.which("shellcheck"):
        subprocess.run([checker, path], check=True)


def test_the_endpoints_of_the_example_are_addresses():
    experiment = load_experiment(str(FOLDER / "at-endpoints.yaml"))
    assert [len(role.engine.urls) for role in (experiment.explorer, experiment.synthesizer)] == [1, 2]


def test_both_roles_of_the_example_are_on_the_cluster_that_the_files_start():
    experiment = load_experiment(str(FOLDER / "on-ray.yaml"))
    engines = [role.engine for role in (experiment.explorer, experiment.synthesizer)]
    assert [(engine.kind, engine.on, engine.cluster.address) for engine in engines] == [
        ("vllm", "ray", "auto")
    ] * 2


def test_the_experiment_in_the_ray_job_is_the_one_beside_it():
    *_, config = KUBERAY
    assert yaml.safe_load(config["data"]["experiment.yaml"]) == yaml.safe_load(
        (FOLDER / "on-ray.yaml").read_text()
    )


def test_the_pods_of_the_ray_job_find_what_they_mount():
    job, claim, config = KUBERAY
    volumes = {volume["name"]: volume for pod in pods(job) for volume in pod.get("volumes", ())}
    mounted = {mount["name"] for pod in pods(job) for mount in pod["containers"][0].get("volumeMounts", ())}
    assert mounted == set(volumes)
    assert volumes["cache"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert volumes["experiment"]["configMap"]["name"] == config["metadata"]["name"]


def test_the_ray_job_has_a_gpu_for_every_replica():
    job, _, config = KUBERAY
    experiment = yaml.safe_load(config["data"]["experiment.yaml"])
    [group] = job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    gpus = int(group["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"])
    assert experiment["explorer"]["engine"]["replicas"] == group["replicas"] * gpus
