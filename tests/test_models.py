"""The generated models and enums, as users see them."""

from __future__ import annotations

import inspect
import json
import pickle
import re
import typing
from copy import deepcopy
from datetime import UTC, datetime, timedelta, timezone
from operator import methodcaller
from typing import Any

import attrs
import httpx
import pytest
from hypothesis import given, settings, strategies

from incident_io_keys import AccountRole, APIKey, KeysClient, TeamRole
from incident_io_keys.testing import MockAPI
from incident_io_keys_generated import contract, models
from incident_io_keys_generated.models import ErrorDetail, ErrorResponse, IssuedAPIKeyResponse

from .conftest import Make
from .spec import ROOT, example
from .spec import contract as document

MODELS = [each for each in vars(models).values() if isinstance(each, type) and attrs.has(each)]


def key() -> APIKey:
    return APIKey.from_dict(example("create_response")["api_key"])


def test_keys_can_be_put_into_a_set(keys: KeysClient, mock: MockAPI) -> None:
    mock.add_key("a", ["viewer"], ["T"], ["on_call_editor"])
    assert len({*keys.list(), *keys.list()}) >= 2
    assert {key(), key()} == {key()}


@pytest.mark.parametrize("name", ["roles", "team_ids", "team_roles"])
def test_arrays_of_a_key_cannot_be_changed(name: str) -> None:
    assert isinstance(getattr(key(), name), tuple)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(key(), name, ())


@pytest.mark.parametrize("model", MODELS)
def test_tools_understand_every_model(model: Any) -> None:
    hints = typing.get_type_hints(model)
    assert hints == {each.name: each.type for each in attrs.fields(model)}
    assert not any(isinstance(hint, str) for hint in hints.values())

    @settings(max_examples=10)
    @given(strategies.builds(model))
    def holds(made: Any) -> None:
        assert hash(made) == hash(attrs.evolve(made))
        assert model.from_dict(json.loads(json.dumps(made.to_dict()))) == pickle.loads(pickle.dumps(made))  # noqa: S301

    holds()


def test_an_error_with_metadata_has_a_hash_too() -> None:
    detail = ErrorDetail(code="a", message="b", metadata={"key": "value"})
    assert hash(detail) == hash(attrs.evolve(detail, metadata={"key": "value"}))
    assert detail != attrs.evolve(detail, metadata={"key": "other"})
    for made in (detail, ErrorDetail.from_dict(detail.to_dict()), pickle.loads(pickle.dumps(detail)), deepcopy(detail)):  # noqa: S301
        assert made.metadata == {"key": "value"}
        for change in (("update", {"key": "other"}), ("clear",), ("pop", "key"), ("__setitem__", "key", "other")):
            with pytest.raises(TypeError, match="cannot be changed"):
                methodcaller(*change)(made.metadata)
    body = {"type": "a", "status": 1, "request_id": "b", "errors": [detail.to_dict()]}
    assert ErrorResponse.from_dict(body).to_dict() == body


def test_the_example_of_the_pages_goes_through_a_model_unchanged() -> None:
    body = example("create_response")
    assert IssuedAPIKeyResponse.from_dict(body).to_dict() == body
    assert body["token"] not in repr(IssuedAPIKeyResponse.from_dict(body))


def test_a_time_is_read_back_as_it_was_whatever_its_zone() -> None:
    # A zone can be off by seconds.
    for offset in (timedelta(), timedelta(hours=-5), timedelta(hours=14)):
        changed = attrs.evolve(key(), created_at=datetime(2020, 1, 1, tzinfo=timezone(offset)))
        assert APIKey.from_dict(changed.to_dict()) == changed
    odd = attrs.evolve(key(), created_at=datetime(2020, 1, 1, tzinfo=timezone(timedelta(seconds=30))))
    assert odd.to_dict()["created_at"] == "2020-01-01T00:00:00+00:00:30"


TIMES = ("created_at", "token_last_issued_at", "last_used_at")


@pytest.mark.parametrize("name", TIMES)
def test_a_time_without_an_offset_is_in_utc(make: Make, name: str) -> None:
    body = example("create_response")["api_key"] | {name: "2021-08-17T13:28:57.801578"}
    keys = make(transport=httpx.MockTransport(lambda _: httpx.Response(200, json={"api_key": body})))
    expected = datetime(2021, 8, 17, 13, 28, 57, 801578, tzinfo=UTC)
    naive: dict[str, Any] = {name: expected.replace(tzinfo=None)}
    built = attrs.evolve(key(), **naive)
    for read in (keys.show(body["id"]), APIKey.from_dict(body), built):
        assert getattr(read, name) == expected
        assert getattr(read, name).utcoffset() == timedelta()
        assert read.to_dict()[name].endswith("Z")


@pytest.mark.parametrize("name", TIMES)
def test_a_time_with_an_offset_keeps_it(name: str) -> None:
    read = APIKey.from_dict(example("create_response")["api_key"] | {name: "2021-08-17T13:28:57+02:00"})
    assert getattr(read, name).utcoffset() == timedelta(hours=2)


def test_every_key_of_a_page_has_aware_times(make: Make) -> None:
    body = example("create_response")["api_key"] | dict.fromkeys(TIMES, "2021-08-17T13:28:57")
    content = {"api_keys": [body | {"id": str(number)} for number in range(250)], "pagination_meta": {"page_size": 250}}
    keys = list(make(transport=httpx.MockTransport(lambda _: httpx.Response(200, json=content))).list())
    assert len(keys) == 250
    assert all(getattr(each, name).tzinfo is not None for each in keys for name in TIMES)


@pytest.mark.parametrize("enum", [AccountRole, TeamRole])
def test_enums_have_the_order_of_the_contract_and_say_what_each_role_allows(enum: Any) -> None:
    schema = document()["components"]["schemas"][enum.__name__]
    assert [role.value for role in enum] == schema["enum"]
    assert [str(role) for role in enum] == schema["enum"]
    assert list(typing.get_args(getattr(contract, f"{enum.__name__}Name"))) == schema["enum"]
    text = " ".join(inspect.getdoc(enum).split())  # type: ignore[union-attr]
    for role in enum:
        words = schema["x-enumDescriptions"][role.value]
        assert f" {role.name}: {words}." in text, role
        assert getattr(contract, f"{'ACCOUNT' if enum is AccountRole else 'TEAM'}_ROLE_DESCRIPTIONS")[role] == words


def test_the_token_s_description_says_to_store_it_securely() -> None:
    assert "Store it securely" in (IssuedAPIKeyResponse.__doc__ or "")


def test_everything_that_is_generated_is_used() -> None:
    facade = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "facade").rglob("*.py"))
    parts = "\n".join(str(field.type) for model in MODELS for field in attrs.fields(model))
    constants = [name for name in vars(contract) if name.isupper() or name.endswith("RoleName")]
    assert len(constants) > 10
    assert not [name for name in constants if not re.search(rf"\b{name}\b", facade)]
    # A model is used by the facade, or is part of one that is.
    assert not [each for each in MODELS if not re.search(rf"\b{each.__name__}\b", f"{facade}\n{parts}")]
    operations = (ROOT / "generated" / "incident_io_keys_generated" / "api" / "api_keys").glob("[a-z]*.py")
    assert not [file.stem for file in operations if f"{file.stem}.build_request(" not in facade]
    assert not re.search(r"incident_io_keys_generated[\w.]* import [^\n]*\b_\w", facade), "a private name is used"
