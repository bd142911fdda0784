"""Qwen3 in plain torch, small enough to read; parameter names are those of `Qwen3ForCausalLM`."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import orjson
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

MAX_POSITIONS = 1024


@dataclass(frozen=True, slots=True)
class Qwen3Shape:
    """The architecture's dimensions."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    intermediate_size: int
    vocab_size: int
    head_dim: int = 32
    rope_theta: float = 1e4
    rms_norm_eps: float = 1e-6

    def config(self, eos: int, pad: int) -> dict[str, object]:
        """config.json as transformers and vLLM read it."""
        return {
            "architectures": ["Qwen3ForCausalLM"],
            "model_type": "qwen3",
            "attention_bias": False,
            "attention_dropout": 0.0,
            "bos_token_id": None,
            "eos_token_id": eos,
            "pad_token_id": pad,
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "hidden_size": self.hidden_size,
            "initializer_range": 0.02,
            "intermediate_size": self.intermediate_size,
            "max_position_embeddings": MAX_POSITIONS,
            "num_attention_heads": self.num_attention_heads,
            "num_hidden_layers": self.num_hidden_layers,
            "num_key_value_heads": self.num_key_value_heads,
            "rms_norm_eps": self.rms_norm_eps,
            "rope_theta": self.rope_theta,
            "rope_scaling": None,
            "sliding_window": None,
            "use_sliding_window": False,
            "tie_word_embeddings": True,
            "torch_dtype": "float32",
            "use_cache": True,
            "vocab_size": self.vocab_size,
        }


Cache = list[tuple[Tensor, Tensor]]


class Norm(nn.Module):
    """Root-mean-square norm."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Over the last dimension, in fp32."""
        wide = x.float()
        if x.is_cuda:  # one kernel instead of six
            return F.rms_norm(wide, self.weight.shape, self.weight, self.eps)
        return (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)).type_as(x) * self.weight


class Attention(nn.Module):
    """Grouped-query attention with normed queries and keys."""

    def __init__(self, shape: Qwen3Shape) -> None:
        super().__init__()
        self.shape = shape
        heads, groups, dim = shape.num_attention_heads, shape.num_key_value_heads, shape.head_dim
        self.q_proj = nn.Linear(shape.hidden_size, heads * dim, bias=False)
        self.k_proj = nn.Linear(shape.hidden_size, groups * dim, bias=False)
        self.v_proj = nn.Linear(shape.hidden_size, groups * dim, bias=False)
        self.o_proj = nn.Linear(heads * dim, shape.hidden_size, bias=False)
        self.q_norm = Norm(dim, shape.rms_norm_eps)
        self.k_norm = Norm(dim, shape.rms_norm_eps)

    def forward(
        self,
        x: Tensor,
        angles: tuple[Tensor, Tensor],
        mask: Tensor | None,
        past: tuple[Tensor, Tensor] | None,
        write_index: Tensor | None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """`mask` is added to the scores, (batch, 1, queries, keys); None: causal, no past, by torch's own kernel."""
        batch, length, _ = x.shape
        dim = self.shape.head_dim
        q = rotate(self.q_norm(self.q_proj(x).view(batch, length, -1, dim)).transpose(1, 2), angles)
        k = rotate(self.k_norm(self.k_proj(x).view(batch, length, -1, dim)).transpose(1, 2), angles)
        v = self.v_proj(x).view(batch, length, -1, dim).transpose(1, 2)
        if mask is None:
            out = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
            return self.o_proj(out.transpose(1, 2).reshape(batch, length, -1)), (k, v)
        if past is not None and write_index is not None:
            k, v = past[0].index_copy_(2, write_index, k), past[1].index_copy_(2, write_index, v)
        elif past is not None:
            k, v = torch.cat((past[0], k), dim=2), torch.cat((past[1], v), dim=2)
        # queries that share a key-value head are adjacent, so that keys and values are not copied
        grouped = q.reshape(batch, k.shape[1], -1, dim)
        scores = (grouped @ k.transpose(-1, -2)).unflatten(2, (-1, length)) * dim**-0.5 + mask[:, :, None]
        weights = scores.float().softmax(-1).type_as(q).flatten(2, 3)
        out = (weights @ v).view(batch, -1, length, dim)
        return self.o_proj(out.transpose(1, 2).reshape(batch, length, -1)), (k, v)


class Mlp(nn.Module):
    """SwiGLU."""

    def __init__(self, shape: Qwen3Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.up_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.down_proj = nn.Linear(shape.intermediate_size, shape.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Position by position."""
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    """Attention and MLP, each behind a norm and around a residual."""

    def __init__(self, shape: Qwen3Shape) -> None:
        super().__init__()
        self.self_attn, self.mlp = Attention(shape), Mlp(shape)
        self.input_layernorm = Norm(shape.hidden_size, shape.rms_norm_eps)
        self.post_attention_layernorm = Norm(shape.hidden_size, shape.rms_norm_eps)


class Body(nn.Module):
    """Everything below the output head."""

    def __init__(self, shape: Qwen3Shape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.num_hidden_layers))
        self.norm = Norm(shape.hidden_size, shape.rms_norm_eps)


class Qwen3(nn.Module):
    """A causal language model with tied embeddings."""

    def __init__(self, shape: Qwen3Shape) -> None:
        super().__init__()
        self.shape = shape
        self.model = Body(shape)
        for parameter in self.parameters():
            if parameter.dim() == 2:  # noqa: PLR2004 - matrices
                nn.init.normal_(parameter, std=0.02)

    def forward(
        self,
        ids: Tensor,
        positions: Tensor,
        mask: Tensor | None,
        past: Cache | None = None,
        write_index: Tensor | None = None,
    ) -> tuple[Tensor, Cache]:
        """Logits (batch, length, vocab) and the keys and values of every layer.

        The past comes before the new tokens; with a `write_index` (1), `past` is a buffer into which they are written there.
        """
        frequencies = self.shape.rope_theta ** (
            -torch.arange(0, self.shape.head_dim, 2) / self.shape.head_dim
        )
        angle = positions[:, None, :, None].float() * frequencies
        angles = torch.cat((angle.cos(), angle.cos()), -1), torch.cat((angle.sin(), angle.sin()), -1)
        x = self.model.embed_tokens(ids)
        cache: Cache = []
        for depth, layer in enumerate(self.model.layers):
            attended, keys_values = layer.self_attn(
                layer.input_layernorm(x), angles, mask, past[depth] if past else None, write_index
            )
            x = x + attended
            x = x + layer.mlp(layer.post_attention_layernorm(x))
            cache.append(keys_values)
        return F.linear(self.model.norm(x), self.model.embed_tokens.weight), cache

    def num_parameters(self) -> int:
        """Embeddings counted once."""
        return sum(p.numel() for p in self.parameters())


def rotate(x: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary position embedding in Qwen's half-split layout."""
    cos, sin = angles
    half = x.shape[-1] // 2
    rotated = torch.cat((-x[..., half:], x[..., :half]), -1)
    return (x * cos + rotated * sin).type_as(x)


@cache
def half_precision() -> torch.dtype | None:
    """bf16 where the default device computes in it natively; a CPU that emulates it is twenty times slower."""
    if torch.get_default_device().type == "cuda":
        return torch.bfloat16
    capabilities = torch.cpu.get_capabilities()
    has_bf16 = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return torch.bfloat16 if has_bf16 else None


def autocast() -> torch.autocast:
    """Half precision in this block, where that is fast."""
    dtype = half_precision()
    return torch.autocast(torch.get_default_device().type, dtype, enabled=dtype is not None)


def causal(ids: Tensor) -> tuple[Tensor, Tensor | None]:
    """Positions and the causal mask for right-padded ids: an additive mask on a CPU, where fused attention trains slowly."""
    length = ids.shape[1]
    positions = torch.arange(length).expand(len(ids), -1)
    if ids.is_cuda:
        return positions, None
    return positions, torch.full((length, length), float("-inf")).triu(1)[None, None]


def save(model: Qwen3, folder: Path, eos: int, pad: int) -> None:
    """Write model.safetensors (fp16, to keep the project that ships it small) and the configs."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {k: v.to("cpu", torch.float16, copy=True).contiguous() for k, v in model.state_dict().items()},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    config = model.shape.config(eos, pad)
    (folder / "config.json").write_bytes(orjson.dumps(config, option=orjson.OPT_INDENT_2))
    generation = {"eos_token_id": eos, "pad_token_id": pad, "do_sample": True, "temperature": 1.0}
    (folder / "generation_config.json").write_bytes(orjson.dumps(generation, option=orjson.OPT_INDENT_2))


def load(folder: Path) -> Qwen3:
    """Read back what `save` wrote."""
    config = orjson.loads((folder / "config.json").read_bytes())
    shape = Qwen3Shape(**{name: config[name] for name in Qwen3Shape.__dataclass_fields__})
    model = Qwen3(shape)
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model
