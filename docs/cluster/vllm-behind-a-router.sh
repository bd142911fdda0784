#!/bin/bash
# Endpoints by `vllm serve`, one per GPU of this machine, behind vllm-router:  vllm-behind-a-router.sh
# Change: model, GPUs, ports; on more machines start the servers there and list every address for the router.
# A2R's base_url is http://THIS_MACHINE:8080/v1, or the servers' own addresses as a list, without a router.
set -euo pipefail
model=${MODEL:-Qwen/Qwen3-4B}
IFS=, read -ra gpus <<< "${GPUS:-0,1,2,3,4,5,6,7}"
trap 'kill $(jobs -p) 2> /dev/null' EXIT
trap exit TERM

workers=()
for i in "${!gpus[@]}"; do
    port=$((8001 + i))
    CUDA_VISIBLE_DEVICES=${gpus[i]} ${SERVE:-vllm serve} "$model" --host 127.0.0.1 --port $port \
        --max-model-len 40960 --gpu-memory-utilization 0.92 --stream-interval 16 &
    workers+=("http://127.0.0.1:$port")
done
# Begins once every server answers /health; keeps a prompt's samples on the server that has its prefix in the cache.
# A2R retries by itself: a router that does so too may have an answer made twice.
vllm-router --host 0.0.0.0 --port "${PORT:-8080}" --worker-urls "${workers[@]}" --policy cache_aware \
    --worker-startup-timeout-secs 1800 --request-timeout-secs 86400 --disable-retries &
wait "$!"
