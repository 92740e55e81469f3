"""What a definition need not have: read, checked, and not lost. The contract need not have any for this to be told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, TypedDict

import attrs
import msgspec
import pytest

from incident_io_keys import KeysClient, Problem
from incident_io_keys._definition import OptionalProperties, check_optional
from incident_io_keys.custody import FileKeeper, create_into
from incident_io_keys.testing import MockAPI
from incident_io_keys.testing._validation import check_optional as refused_by_the_mock
from incident_io_keys_generated import contract
from incident_io_keys_generated.models import APIKey, APIKeyDefinition

from . import spec


class Known(TypedDict, total=False):
    comments: str | None
    priority: int | None
    labels: list[str]
    share: float | None
    since: datetime | None


class Text(str):
    __slots__ = ()


BOUND = ("minimum", "maximum", "multipleOf", "minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems")
BOUNDS = {
    "share": msgspec.Meta(),
    "since": msgspec.Meta(tz=True),
    "comments": msgspec.Meta(max_length=5, pattern="^[^\0]*$"),
    "priority": msgspec.Meta(ge=1, lt=4),
    "labels": msgspec.Meta(max_length=2),
}


def read(**given: object) -> tuple[dict[str, Any], list[str]]:
    problems: list[Problem] = []
    return check_optional("create", given, Known, BOUNDS, problems), [str(problem) for problem in problems]


def test_every_optional_property_of_the_contract_can_be_given() -> None:
    """If this fails, the contract has gained a property of requests: it wants a line in `OptionalProperties`."""
    assert OptionalProperties.__annotations__.keys() == contract.API_KEY_DEFINITION_OPTIONAL.keys()
    # The command reads a key and replaces all of it: what the API does not answer would be lost.
    assert OptionalProperties.__annotations__.keys() <= {each.name for each in attrs.fields(APIKey)}
    assert contract.ROTATE_API_KEY_REQUEST_OPTIONAL == {}, "give it an argument of `rotate`"


def test_no_bound_of_the_contract_stands_where_it_would_not_be_checked() -> None:
    """If this fails, `check_optional` has to learn to look into what is given."""
    assert list(bounds_within(spec.contract()["components"]["schemas"]["APIKeyDefinition"], depth=0)) == []


def bounds_within(node: Any, depth: int) -> Iterator[str]:
    """The bounds of what is optional in a definition, but for those of the values themselves."""
    if isinstance(node, list):
        for each in node:
            yield from bounds_within(each, depth + 1)
    if not isinstance(node, dict):
        return
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        yield from bounds_within(spec.contract()["components"]["schemas"][name], depth)
    yield from (bound for bound in BOUND if bound in node and depth > 1)
    for name, each in node.get("properties", {}).items():
        if depth or name in contract.API_KEY_DEFINITION_OPTIONAL:
            yield from bounds_within(each, depth + 1)
    for part in ("items", "additionalProperties", "allOf", "oneOf", "anyOf"):
        yield from bounds_within(node.get(part), depth + 1)


def test_what_fits_is_taken_as_it_is() -> None:
    given = {"comments": "\U0001f511" * 5, "priority": 3, "labels": ["a", "b"]}
    assert read(**given) == (given, [])


def test_a_string_of_another_class_is_its_text() -> None:
    taken, problems = read(comments=Text("a"))
    assert (taken, problems, type(taken["comments"])) == ({"comments": "a"}, [], str)


def test_none_is_nothing() -> None:
    assert read(comments=None, priority=1) == ({"priority": 1}, [])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"comments": "longer"}, "comments: does not fit the contract: Expected `str` of length <= 5"),
        ({"comments": "\0"}, "comments: does not fit the contract: Expected `str` matching regex"),
        ({"comments": 5}, "comments: does not fit the contract: Expected `str`, got `int`"),
        ({"comments": "\ud800"}, "comments: holds half of a surrogate pair, which no request can carry"),
        ({"labels": ["\ud800"]}, "labels: holds half of a surrogate pair, which no request can carry"),
        ({"priority": 0}, "priority: does not fit the contract: Expected `int` >= 1"),
        ({"priority": 4}, "priority: does not fit the contract: Expected `int` <= 3"),
        ({"labels": ["a", "b", "c"]}, "labels: does not fit the contract: Expected `array` of length <= 2"),
        ({"share": float("nan")}, "share: no request can carry this: Out of range float values"),
        ({"since": datetime(2026, 11, 22)}, "since: does not fit the contract: Expected `datetime` with a timezone"),  # noqa: DTZ001
        ({"labels": [Text("a")]}, "labels: no request can carry this: "),
        ({"labels": ["a", 1]}, "labels: does not fit the contract: Expected `str`, got `int` - at `$[1]`"),
    ],
)
def test_what_does_not_fit_is_a_problem_and_left_out(given: dict[str, object], message: str) -> None:
    read_, [problem] = read(**given)
    assert problem.startswith(message)
    assert read_ == {}


def test_a_name_that_nobody_knows_is_what_it_is_for_any_function(keys: KeysClient, mock: MockAPI) -> None:
    definition: Any = {"name": "deploy bot", "role_names": ["viewer"], "nmae": "deploy bot"}
    lists: Any = {"team_ids": [], "team_role_names": []}
    with pytest.raises(TypeError, match=r"^create\(\) got an unexpected keyword argument 'nmae'"):
        keys.create(**definition)
    with pytest.raises(TypeError, match=r"^update\(\) got an unexpected keyword argument 'nmae'"):
        keys.update("1", **definition, **lists)
    assert not mock.requests


def test_nor_does_custody_take_it(keys: KeysClient, mock: MockAPI, tmp_path: Any) -> None:
    definition: Any = {"name": "deploy bot", "role_names": ["viewer"], "nmae": "deploy bot"}
    with pytest.raises(TypeError, match="unexpected keyword argument 'nmae'"):
        create_into(keys, FileKeeper(tmp_path / "token"), **definition)
    assert not mock.requests
    assert not (tmp_path / "token").exists()


@attrs.frozen(kw_only=True)
class Schema:
    comments: str | None = None
    priority: int | None = None
    labels: list[str] | None = None


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, set()),
        ({"comments": "12345", "priority": 3, "labels": [], "more": 1}, set()),
        ({"comments": "123456", "priority": 4, "labels": [1]}, {"comments", "priority", "labels"}),
        ({"comments": None}, {"comments"}),
    ],
)
def test_the_mock_refuses_what_does_not_fit(body: dict[str, object], fields: set[str]) -> None:
    flaws = refused_by_the_mock(body, Schema, BOUNDS)
    assert {flaw.field for flaw in flaws} == fields
    assert all((flaw.code, flaw.pointer) == ("invalid_value", f"/{flaw.field}") for flaw in flaws)


def test_the_mock_knows_the_type_of_each() -> None:
    assert contract.API_KEY_DEFINITION_OPTIONAL.keys() <= {each.name for each in attrs.fields(APIKeyDefinition)}
