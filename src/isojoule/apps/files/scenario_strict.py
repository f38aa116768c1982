"""What the models of `scenario.yaml` have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

Quantity = float | int | str
"""A number in SI, or text with a unit."""


class Strict(BaseModel):
    """A mapping whose keys are all known."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, validate_by_name=False
    )


def keys_of(model: type[BaseModel]) -> dict[str, str]:
    """The keys of a model as files write them, each with its field's name."""
    return {field.alias or name: name for name, field in model.model_fields.items()}
