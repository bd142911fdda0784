"""Run forms that a person can fill in: the schema of a deployment's parameters as Prefect's UI draws it best."""

from typing import Any

from prefect.deployments.runner import RunnerDeployment


def fillable(schema: Any) -> Any:  # noqa: ANN401 - JSON, the same comes back
    """The JSON schema with each choice between forms as tabs, and each fixed value as a choice of one.

    The UI draws `anyOf` as tabs, but `oneOf` (pydantic's tagged unions) as a box of raw JSON, and knows
    no `const`. What a run accepts stays the same: Prefect validates parameters with the flow's own types.
    """
    if isinstance(schema, list):
        return [fillable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    drawn = {key: fillable(value) for key, value in schema.items()}
    if "oneOf" in drawn:
        drawn["anyOf"] = drawn.pop("oneOf")
        drawn.pop("discriminator", None)
    if "const" in drawn and "properties" not in drawn:
        value = drawn.pop("const")
        drawn |= {"enum": [value], "default": value}
    return drawn


def with_fillable_form(deployment: RunnerDeployment) -> RunnerDeployment:
    """The deployment, its run form fillable."""
    form = deployment._parameter_openapi_schema  # noqa: SLF001 - Prefect has no public way to set it
    deployment._parameter_openapi_schema = type(form).model_validate(fillable(form.model_dump()))  # noqa: SLF001
    return deployment
