"""Make the logs in this folder anew, with the real tools against the tests' scripted endpoint.

    python tests/data/logs/make.py LM_EVAL INSPECT

LM_EVAL and INSPECT are the two commands, installed in environments of their own:
`pip install "lm_eval[api]==0.4.13"` and `pip install inspect_ai==0.3.285 openai`.
Every request gets a seed of its own, so that repeats differ; some replies run into max_tokens.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from endpoints.scripted import ScriptedEndpoint  # noqa: E402

NUM_PROBLEMS = 6


class Served(ScriptedEndpoint):
    def _reply(self, body):
        body["seed"] = len(self.requests)
        reply = super()._reply(body)
        for choice in reply["choices"]:
            message = choice["message"]
            if hashlib.sha256(message["content"].encode()).digest()[0] % 5 == 0:
                choice["finish_reason"], message["content"] = "length", message["content"][:30]
        reply["usage"]["total_tokens"] = sum(reply["usage"].values())
        return reply | {"id": "chatcmpl-1", "object": "chat.completion", "created": 1}


def main(lm_eval, inspect):
    with tempfile.TemporaryDirectory() as folder, Served() as endpoint:
        work = Path(folder)
        shutil.copy(HERE / "inspect_sums.py", work)
        shutil.copytree(HERE / "sums", work / "sums")
        rows = [
            {"id": f"s{i}", "problem": f"What is {i} plus {7 * i + 1} ?", "answer": str(8 * i + 1)}
            for i in range(NUM_PROBLEMS)
        ]
        (work / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        environment = os.environ | {
            "OPENAI_API_KEY": "none",
            "LOCAL_API_KEY": "none",
            "LOCAL_BASE_URL": endpoint.base_url,
            "HF_HUB_OFFLINE": "1",
            "HF_DATASETS_CACHE": str(work / "cache"),
            "INSPECT_DISABLE_MODEL_COST": "1",
        }

        def run(*command):
            subprocess.run(list(map(str, command)), cwd=work, env=environment, check=True)

        address = f"{endpoint.base_url}/chat/completions"
        run(
            *(lm_eval, "--model", "local-chat-completions", "--tasks", "sums", "--include_path", "sums"),
            *("--model_args", f"model=small,base_url={address},num_concurrent=4,tokenized_requests=False"),
            *("--apply_chat_template", "--log_samples", "--output_path", "lm_eval"),
        )
        common = (
            inspect,
            "eval",
            "inspect_sums.py",
            "--model",
            "openai-api/local/small",
            "--display",
            "none",
        )
        run(*common, "--log-dir", "inspect", "--epochs", "2")
        run(*common, "--log-dir", "inspect", "--limit", "3", "--log-format", "json")
        for name in ("lm_eval", "inspect"):
            shutil.rmtree(HERE / name, ignore_errors=True)
            shutil.copytree(work / name, HERE / name)


if __name__ == "__main__":
    main(*sys.argv[1:])
