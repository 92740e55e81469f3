"""scripts/compare-upstream --write-spec: what it leaves to a person, with the reason, while it writes the rest."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import _contract
import _expected

from .vendor import (
    KEY,
    KEYS,
    ROTATE,
    SPEC,
    Vendor,
    add_to_an_answer,
    remove_a_parameter,
    remove_a_property,
    remove_a_role,
    remove_a_status,
    remove_an_operation,
)


def open_the_roles(vendor: Vendor) -> None:
    for payload in vendor.payloads():
        del payload["properties"]["team_role_names"]["items"]["enum"]


def open_the_name(vendor: Vendor) -> None:
    for payload in vendor.payloads():
        del payload["properties"]["name"]["minLength"], payload["properties"]["name"]["maxLength"]


def open_the_page_size(vendor: Vendor) -> None:
    schema = vendor.operation(KEYS, "get")["parameters"][0]["schema"]
    del schema["minimum"], schema["default"]


def forget_a_format(vendor: Vendor) -> None:
    del vendor.schema("APIKey")["properties"]["created_at"]["format"]


def close_an_object(vendor: Vendor) -> None:
    vendor.schema("Creator")["properties"]["user"] = {"type": "string"}


def remove_bodies(vendor: Vendor) -> None:
    del vendor.operation(KEY, "get")["responses"]["200"]["content"]
    del vendor.operation(ROTATE, "post")["requestBody"]


def move_an_operation(vendor: Vendor) -> None:
    vendor.document["paths"][f"{KEY}/rotate"] = {"post": vendor.document["paths"].pop(ROTATE)["post"]}


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("change", "left"),
    [
        (remove_a_role, "create_api_key request.team_role_names[]: value removed api_keys_manage"),
        (remove_a_property, "list_api_keys 200.api_keys[].creator.user.slack_user_id: property removed slack_user_id"),
        (remove_a_parameter, "list_api_keys ?after: parameter removed after"),
        (remove_a_status, "list_api_keys: status removed 412"),
        (remove_an_operation, "rotate_api_key: operation removed"),
        (move_an_operation, "rotate_api_key: operation removed"),
        (remove_bodies, "show_api_key 200: body removed"),
        (remove_bodies, "rotate_api_key: request body removed"),
        (open_the_roles, "create_api_key request.team_role_names[]: enum"),
        (open_the_name, "create_api_key request.name: minLength"),
        (open_the_name, "create_api_key request.name: maxLength"),
        (open_the_page_size, "list_api_keys ?page_size: minimum"),
        (open_the_page_size, "list_api_keys ?page_size: default"),
        (forget_a_format, "list_api_keys 200.api_keys[].created_at: format"),
        (close_an_object, "list_api_keys 200.api_keys[].creator.user: type"),
    ],
)
def test_nothing_of_ours_is_taken_out_without_a_word(
    vendor: Vendor, change: Callable[[Vendor], None], left: str
) -> None:
    change(vendor)
    assert vendor.run("--write-spec", vendor.out)[0] == 1
    reason = "upstream's document may be behind its documentation (--remove takes it out)"
    assert f"to be done by hand: {left}: {reason}\n" in vendor.errors
    assert vendor.out.read_text() == SPEC.read_text()
    vendor.run("--write-spec", vendor.out, "--remove")
    assert vendor.errors == ""
    assert vendor.found("--spec", vendor.out) == []


def test_a_bound_and_our_comment_go_only_with_remove(vendor: Vendor) -> None:
    open_the_page_size(vendor)
    comment = "# The page gives only the upper bound."
    vendor.run("--write-spec", vendor.out)
    assert comment in vendor.out.read_text()
    vendor.run("--write-spec", vendor.out, "--remove")
    assert comment not in vendor.out.read_text()
    assert "minimum" not in _contract.load(vendor.out)["paths"][KEYS]["get"]["parameters"][0]["schema"]


def add_a_keyword_of_python(vendor: Vendor) -> None:
    vendor.schema("User")["properties"]["class"] = {"type": "string"}


def add_a_name_that_differs_only_in_case(vendor: Vendor) -> None:
    for payload in vendor.payloads():
        payload["properties"]["Name"] = {"type": "string", "maxLength": 3}


def add_a_default_with_quotes(vendor: Vendor) -> None:
    for payload in vendor.payloads():
        payload["properties"]["name"]["default"] = 'a "name"'


CREATOR = "list_api_keys 200.api_keys[].creator.user"


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("change", "left"),
    [
        (
            add_a_keyword_of_python,
            f"{CREATOR}.class: property added class: "
            "components.schemas.User.properties.class: no attribute of a model can be called 'class'",
        ),
        (
            add_a_name_that_differs_only_in_case,
            "create_api_key request.Name: property added Name: components.schemas.APIKeyDefinition.properties.Name: "
            "the generator gives it and 'name' the same name",
        ),
        (
            add_a_default_with_quotes,
            "create_api_key request.name: default: components.schemas.APIKeyDefinition.properties.name.default: "
            "the generator cannot express the quotes",
        ),
    ],
)
def test_one_thing_that_no_client_could_have_does_not_keep_the_rest_from_being_written(
    vendor: Vendor, change: Callable[[Vendor], None], left: str
) -> None:
    add_to_an_answer(vendor)
    assert vendor.run("--write-spec", vendor.out)[0] == 1
    rest = vendor.out.read_text()
    assert rest != SPEC.read_text()
    change(vendor)
    assert vendor.run("--write-spec", vendor.out)[0] == 1
    [line] = vendor.errors.splitlines()
    assert line.startswith(f"to be done by hand: {left}")
    assert vendor.out.read_text() == rest


@pytest.mark.exhaustive
def test_what_would_be_no_contract_is_not_written(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise _contract.ContractError("a name: it stands for two bounds")

    monkeypatch.setattr(_expected, "expect", fail)
    add_to_an_answer(vendor)
    assert len(vendor.found()) == 1
    vendor.writes_nothing(
        "out.yaml: is not changed, since the result is not a valid contract: a name: it stands for two bounds"
    )


def test_a_new_required_parameter_is_written_and_named(vendor: Vendor) -> None:
    given = {"name": "X-Team", "in": "query", "required": True, "schema": {"type": "string"}}
    vendor.operation(KEYS, "get")["parameters"].append(given)
    called = "list_api_keys ?X-Team"
    assert vendor.found("--write-spec", vendor.out) == [(called, "parameter added", "string, required", None)]
    assert vendor.errors == (
        f"to be done by hand: {called}: parameter added X-Team: this new query parameter is required; "
        "openapi.yaml has it now, and facade/ has to send it in every call\n"
    )
    written = _contract.load(vendor.out)["paths"][KEYS]["get"]["parameters"][-1]
    assert written == {**given, "required": True}
    assert vendor.found("--spec", vendor.out) == []


@pytest.mark.exhaustive
@pytest.mark.parametrize("required", [True, False])
def test_a_new_header_is_named_and_not_written_since_no_request_builder_sends_one(
    vendor: Vendor, required: bool
) -> None:
    given = {"name": "X-Team", "in": "header", "required": required, "schema": {"type": "string"}}
    vendor.operation(KEYS, "get")["parameters"].append(given)
    called, shown = "list_api_keys header X-Team", "string, required" if required else "string"
    assert vendor.found("--write-spec", vendor.out) == [(called, "parameter added", shown, None)]
    [line] = vendor.errors.splitlines()
    assert line.startswith(f"to be done by hand: {called}: parameter added X-Team: ")
    assert "parameters cannot be sent in a header" in line
    assert vendor.out.read_text() == SPEC.read_text()


def test_a_new_optional_parameter_is_written_without_a_word(vendor: Vendor) -> None:
    given = {"name": "X-Team", "in": "query", "required": False, "schema": {"type": "string"}}
    vendor.operation(KEYS, "get")["parameters"].append(given)
    code, _ = vendor.run("--write-spec", vendor.out)
    assert (code, vendor.errors) == (1, "")
