"""Documents with a fixed set of keys: their models, and faults in the words of the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from isojoule.apps.files.places import nearest
from isojoule.apps.files.yaml_lines import Lines, read_yaml
from isojoule.core.errors import InputError

Quantity = float | int | str
"""A number in SI, or text with a unit."""


class Strict(BaseModel):
    """A mapping in a file: unknown keys are refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, validate_by_name=False
    )


Doc = TypeVar("Doc", bound=Strict)


def read_doc(file: Path, model: type[Doc], remedies: Mapping[str, str]) -> tuple[Doc, Lines]:
    """Read a YAML file and check it against its model.

    Parameters
    ----------
    remedies
        What to do about a key with a wrong value; for others its description is told.

    Raises
    ------
    InputError
        With file, line and remedy for what is wrong.
    """
    data, lines = read_yaml(file)
    try:
        return model.model_validate(data), lines
    except ValidationError as error:
        raise _explain(error, lines, model, remedies) from error


def doc_schema(model: type[Strict]) -> dict[str, Any]:
    """The JSON Schema of a file."""
    schema = model.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def keys_of(model: type[BaseModel]) -> dict[str, str]:
    """The keys of a model as files write them, each with its field's name."""
    return {field.alias or name: name for name, field in model.model_fields.items()}


def describe(model: type[BaseModel], key: str) -> str:
    """What a key of a model is."""
    name = keys_of(model).get(key)
    return (model.model_fields[name].description if name else None) or key


_WORDS = {
    "model_type": "this is no mapping of keys to values",
    "dict_type": "this is no mapping of keys to values",
    "list_type": "this is no list",
    "bool_type": "this is neither true nor false",
    "bool_parsing": "this is neither true nor false",
}
"""What pydantic says in the words of Python, in those of a file."""


def _explain(
    error: ValidationError, lines: Lines, root: type[BaseModel], remedies: Mapping[str, str]
) -> InputError:
    """The first fault, in the words of the file."""
    faults = error.errors(include_url=False)
    fault = _misspelt(faults, root) or faults[0]
    where = tuple(fault["loc"])
    inside, key = _around(root, where)
    if fault["type"] == "extra_forbidden":
        return InputError(
            f"unknown key {str(where[-1])!r}",
            place=lines.place(*where),
            remedy=nearest(str(where[-1]), keys_of(inside)),
        )
    if fault["type"] == "missing":
        missing = str(where[-1])
        return InputError(
            f"the key {missing!r} is missing",
            place=lines.place(*where[:-1]),
            remedy=f"add it: {describe(inside, missing)}",
        )
    words = _WORDS.get(fault["type"]) or f"{fault['msg'][:1].lower()}{fault['msg'][1:]}"
    return InputError(
        f"{key}: {words}",
        place=lines.place(*where),
        remedy=remedies.get(key, f"the key is: {describe(inside, key)}"),
    )


def _misspelt(faults: list[ErrorDetails], root: type[BaseModel]) -> ErrorDetails | None:
    """The unknown key that was meant to be the missing one, if the first fault is a missing key."""
    first = faults[0]
    if first["type"] != "missing":
        return None
    for other in faults[1:]:
        if other["type"] == "extra_forbidden" and other["loc"][:-1] == first["loc"][:-1]:
            inside, _ = _around(root, tuple(other["loc"]))
            if nearest(str(other["loc"][-1]), keys_of(inside)) == (
                f"did you mean {str(first['loc'][-1])!r}?"
            ):
                return other
    return None


def _around(root: type[BaseModel], where: tuple[int | str, ...]) -> tuple[type[BaseModel], str]:
    """The model of the mapping that a fault is in, and the last key of it that leads there."""
    model, key = root, str(where[0]) if where else ""
    for at, part in enumerate(where):
        named = keys_of(model)
        if not isinstance(part, str) or part not in named:
            continue
        key = part
        inner = _model_in(model.model_fields[named[part]].annotation)
        if inner is None or at == len(where) - 1:
            break
        model = inner
    return model, key


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model within a list of it, or within one that may be absent."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
