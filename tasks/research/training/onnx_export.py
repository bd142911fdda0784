"""From a Qwen3 checkpoint folder to the decoder graph that the embedded engine runs.

    python -m tasks.research.training.onnx_export FOLDER…

The graph holds no weights: it refers to model.safetensors beside it, so that both are the same model by
construction. It is fp32 and serves prefill and decoding alike. Attention is onnxruntime's
GroupQueryAttention, which rotates queries and keys itself and reads and writes one key-value
buffer in place. The graph returns only the logits of each row's last token.

Inputs: `input_ids` (batch, length) int64, right-padded; `last_index` (batch, 1) int64, the index of
each row's last token in `input_ids`; `seqlens_k` (batch) int32, tokens of the row in the buffer
after this call, minus one; `total_length` scalar int32, the largest of them plus one; per layer
`past_key_i` and `past_value_i` (batch, groups, capacity, head_dim).
Outputs: `logits` (batch, vocab) and per layer `present_key_i`, `present_value_i`.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
import orjson
from onnx import TensorProto, helper, numpy_helper

WEIGHTS = "model.safetensors"
TYPES = {"F32": TensorProto.FLOAT, "F16": TensorProto.FLOAT16, "BF16": TensorProto.BFLOAT16}
OPSET, MICROSOFT = 20, "com.microsoft"


class _Graph:
    """Nodes, constants, and the weights that they refer to; names are numbered."""

    def __init__(self, weights: dict[str, onnx.TensorProto]) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}
        self._weights = weights
        self._count = 0

    def constant(self, name: str, value: np.ndarray) -> str:
        """An initializer of the graph's own, added once."""
        if name not in self.initializers:
            self.initializers[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def weight(self, name: str) -> str:
        """A parameter of the checkpoint, in fp32."""
        tensor = self.initializers[name] = self._weights[name]
        if tensor.data_type == TensorProto.FLOAT:
            return name
        return self.add("Cast", name, to=TensorProto.FLOAT)

    def add(self, kind: str, *inputs: str, outputs: int = 1, domain: str = "", **attributes: object) -> str:
        """A node; returns its first output's name."""
        self._count += 1
        names = [f"{kind}_{self._count}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, domain=domain, **attributes))
        return names[0]

    def norm(self, x: str, weight: str, eps: float) -> str:
        """Root-mean-square norm over the last dimension."""
        return self.add("SimplifiedLayerNormalization", x, self.weight(weight), axis=-1, epsilon=eps)

    def linear(self, x: str, weight: str) -> str:
        """X · Wᵀ; the transposition is folded into the weight when the graph is loaded."""
        return self.add("MatMul", x, self.add("Transpose", self.weight(weight), perm=[1, 0]))


def export(folder: Path) -> Path:
    """Write model.onnx beside the checkpoint and return its path."""
    config = orjson.loads((folder / "config.json").read_bytes())
    graph = _Graph(_stored(folder / WEIGHTS))
    heads, groups, dim = (config[name] for name in ("num_attention_heads", "num_key_value_heads", "head_dim"))
    eps, capacity, layers = (
        config["rms_norm_eps"],
        config["max_position_embeddings"],
        config["num_hidden_layers"],
    )
    frequencies = config["rope_theta"] ** (-np.arange(0, dim, 2) / dim)
    angle = np.arange(capacity)[:, None] * frequencies[None, :]
    cos = graph.constant("cos_cache", np.cos(angle).astype(np.float32))
    sin = graph.constant("sin_cache", np.sin(angle).astype(np.float32))

    def normed_heads(x: str, weight: str, count: int) -> str:
        split = graph.add("Reshape", x, graph.constant(f"heads_{count}", np.array([0, 0, count, dim])))
        normed = graph.norm(split, weight, eps)
        return graph.add("Reshape", normed, graph.constant(f"flat_{count}", np.array([0, 0, count * dim])))

    x = graph.add("Gather", graph.weight("model.embed_tokens.weight"), "input_ids")
    caches = []
    for layer in range(layers):
        name = f"model.layers.{layer}"
        h = graph.norm(x, f"{name}.input_layernorm.weight", eps)
        q = normed_heads(
            graph.linear(h, f"{name}.self_attn.q_proj.weight"), f"{name}.self_attn.q_norm.weight", heads
        )
        k = normed_heads(
            graph.linear(h, f"{name}.self_attn.k_proj.weight"), f"{name}.self_attn.k_norm.weight", groups
        )
        v = graph.linear(h, f"{name}.self_attn.v_proj.weight")
        names = [f"attention_{layer}", f"present_key_{layer}", f"present_value_{layer}"]
        graph.nodes.append(
            helper.make_node(
                "GroupQueryAttention",
                [q, k, v, f"past_key_{layer}", f"past_value_{layer}", "seqlens_k", "total_length", cos, sin],
                names,
                domain=MICROSOFT,
                num_heads=heads,
                kv_num_heads=groups,
                do_rotary=1,
                rotary_interleaved=0,
            )
        )
        caches.append(names[1:])
        x = graph.add("Add", x, graph.linear(names[0], f"{name}.self_attn.o_proj.weight"))
        h = graph.norm(x, f"{name}.post_attention_layernorm.weight", eps)
        gate, up = (graph.linear(h, f"{name}.mlp.{part}_proj.weight") for part in ("gate", "up"))
        silu = graph.add("Mul", gate, graph.add("Sigmoid", gate))
        x = graph.add("Add", x, graph.linear(graph.add("Mul", silu, up), f"{name}.mlp.down_proj.weight"))
    last = graph.norm(graph.add("GatherND", x, "last_index", batch_dims=1), "model.norm.weight", eps)
    head = graph.add("Transpose", graph.weight("model.embed_tokens.weight"), perm=[1, 0])
    graph.nodes.append(helper.make_node("MatMul", [last, head], ["logits"]))

    def value(name: str, kind: int, shape: list[int | str]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, shape)

    cache_shape = ["batch", groups, "capacity", dim]
    inputs = [
        value("input_ids", TensorProto.INT64, ["batch", "length"]),
        value("last_index", TensorProto.INT64, ["batch", 1]),
        value("seqlens_k", TensorProto.INT32, ["batch"]),
        value("total_length", TensorProto.INT32, []),
    ]
    outputs = [value("logits", TensorProto.FLOAT, ["batch", config["vocab_size"]])]
    for layer in range(layers):
        inputs += [value(f"past_{part}_{layer}", TensorProto.FLOAT, cache_shape) for part in ("key", "value")]
        outputs += [
            value(f"present_{part}_{layer}", TensorProto.FLOAT, cache_shape) for part in ("key", "value")
        ]
    model = helper.make_model(
        helper.make_graph(graph.nodes, "qwen3", inputs, outputs, list(graph.initializers.values())),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)],
        producer_name="a2r",
        ir_version=10,
    )
    path = folder / "model.onnx"
    onnx.save(model, path)
    return path


def _stored(path: Path) -> dict[str, onnx.TensorProto]:
    """The tensors of a safetensors file, by reference. Raises ValueError for a type that is not a float.

    The file is the header's length (8 bytes), the header in JSON, then the tensors' bytes, little-endian and
    row-major, which is what ONNX calls external data (https://huggingface.co/docs/safetensors,
    https://onnx.ai/onnx/repo-docs/ExternalData.html).
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = orjson.loads(file.read(length))
    stored = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if entry["dtype"] not in TYPES:
            raise ValueError(f"{path} has {name} in {entry['dtype']}; the graph reads {', '.join(TYPES)}.")
        start, end = entry["data_offsets"]
        tensor = onnx.TensorProto(name=name, data_type=TYPES[entry["dtype"]], dims=entry["shape"])
        tensor.data_location = TensorProto.EXTERNAL
        location = {"location": path.name, "offset": 8 + length + start, "length": end - start}
        tensor.external_data.extend(
            onnx.StringStringEntryProto(key=key, value=str(value)) for key, value in location.items()
        )
        stored[name] = tensor
    return stored


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(export(Path(argument)))  # noqa: T201 - a command
