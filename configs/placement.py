"""Where an engine works: inside the run, or as replicas on the nodes of a Ray cluster. Never part of a recipe."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from configs.schema import ConfigModel

_ADDRESS = re.compile(r"auto|local|(ray://)?[A-Za-z0-9_.\-]+:\d{1,5}|(ray://)?\[[0-9a-fA-F:]+\]:\d{1,5}")


class RaySettings(ConfigModel):
    """A Ray cluster, and what each replica takes of it; needs the extra `ray`."""

    address: str = "local"
    """`local`: a cluster on this machine's loopback, which the run starts and ends. `auto`: the cluster that this machine
    is a node of. Else host:port of a cluster's head, from one of its nodes, or ray://host:port from outside."""
    gpus: float | None = Field(default=None, ge=0)
    """GPUs of each replica; absent: what the engine's parallelism needs."""
    cpus: float = Field(default=1.0, ge=0)
    """CPU cores reserved for each replica."""
    silence_seconds: float = Field(default=10.0, ge=5)
    """A replica that has said nothing for so long is frozen or cut off: its requests are sent to others."""
    patience_seconds: float = Field(default=60.0, ge=0)
    """How long a cluster that is gone, or has no replica up, is waited for in the middle of a run."""

    @field_validator("address")
    @classmethod
    def is_an_address(cls, given: str) -> str:
        """One of the forms that Ray knows, without a password in it."""
        if not _ADDRESS.fullmatch(given):
            raise ValueError(f"is {given!r}; give auto, local, host:port or ray://host:port.")
        return given


class Placed(ConfigModel):
    """What the settings of every kind of engine have in common."""

    on: Literal["here", "ray"] = "here"
    """`ray`: each replica is an actor on a node of a Ray cluster, where it loads the engine once and keeps it."""
    replicas: Literal["auto"] | Annotated[int, Field(ge=1, le=4096)] = 1
    """Replicas on Ray; `auto`: as many as the cluster has place for. Of endpoints that run already, list the addresses."""
    ray: RaySettings | None = None
    """The cluster and what each replica takes of it; absent: a cluster on this machine's loopback."""

    @model_validator(mode="after")
    def has_a_place_for_replicas(self) -> "Placed":
        """Replicas are Ray's alone, so that none is left out without a word."""
        if self.on == "here" and (self.replicas != 1 or self.ray is not None):
            raise ValueError("has replicas or ray, which mean something with on: ray alone; add on: ray.")
        return self

    @property
    def cluster(self) -> RaySettings:
        """The cluster and a replica's share of it, with the defaults."""
        return self.ray or RaySettings()


def is_on_ray(engine: ConfigModel) -> bool:
    """Whether an engine's settings place it on Ray; a kind whose settings know of no place works here."""
    return isinstance(engine, Placed) and engine.on == "ray"
