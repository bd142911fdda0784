"""JSON schemas of the kinds of files, by which editors complete and check them."""

from typing import Any

from configs.reference import KINDS

DIALECT = "http://json-schema.org/draft-07/schema#"
"""The one that editors' YAML servers know best; nothing here needs a later one but `$defs`, which they read too."""


def schema_of(kind: str) -> dict[str, Any]:
    """The schema of one kind of file.

    An experiment may build on another by `base`, and then says only what differs: nothing in it is
    required. Unknown settings are errors in every kind.
    """
    schema = KINDS[kind].model.model_json_schema()
    if kind == "experiment":
        schema = _without_required(schema)
        schema["properties"] = {
            "base": {"type": "string", "description": "The preset or the file that this one builds on."}
        } | schema["properties"]
    return {"$schema": DIALECT, **schema}


def _without_required(schema: Any) -> Any:  # noqa: ANN401 - JSON, the same comes back
    """Forms of one setting are alternatives of which several may fit, since what tells them apart may be in the base."""
    if isinstance(schema, list):
        return [_without_required(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _without_required(value) for key, value in schema.items() if not _is_demand(key, value)}
    if isinstance(kept.get("oneOf"), list):
        kept["anyOf"] = kept.pop("oneOf")
    return kept


def _is_demand(key: str, value: object) -> bool:
    return (key == "required" and isinstance(value, list)) or (
        key == "discriminator" and isinstance(value, dict)
    )
