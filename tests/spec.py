"""openapi.yaml, as the tests need it: to look things up, and to hold values against its schemas."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from openapi_schema_validator import OAS30Validator, oas30_format_checker
from referencing import Registry
from referencing.jsonschema import DRAFT4
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent


@cache
def contract() -> dict[str, Any]:
    document: dict[str, Any] = YAML(typ="safe").load((ROOT / "openapi.yaml").read_text(encoding="utf-8"))
    return document


def validate(value: object, schema: str) -> None:
    """Fail if a value does not fit the schema of that name."""
    _validator(schema).validate(value)


@cache
def _validator(schema: str) -> OAS30Validator:
    resource = DRAFT4.create_resource(contract())
    return OAS30Validator(
        {"$ref": f"urn:contract#/components/schemas/{schema}"},
        registry=Registry[Any]().with_resource("urn:contract", resource),
        format_checker=oas30_format_checker,
    )
