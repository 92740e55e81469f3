"""The vendor's document as the tests of scripts/compare-upstream need it: made from our own contract, and changed."""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import _compare_upstream
import _contract

from ..spec import ROOT, contract

SPEC = ROOT / "openapi.yaml"
LOAD = _contract.load
IDS = {"list": "List", "create": "Create", "show": "Show", "update": "Update", "delete": "Delete", "rotate": "Rotate"}
OTHER = "https://api.other.example"
KEYS, KEY, ROTATE = "/v1/api_keys", "/v1/api_keys/{id}", "/v1/api_keys/{id}/actions/rotate"


@cache
def manner_of_the_vendor() -> str:
    """Our own contract as the vendor would write it, among hundreds of things that are none of ours."""
    ours = deepcopy(contract())
    schemas = ours["components"]["schemas"]

    def inlined(node: Any) -> Any:
        if isinstance(node, list):
            return [inlined(member) for member in node]
        if not isinstance(node, dict):
            return node
        kind, _, name = str(node.get("$ref", "")).removeprefix("#/components/").partition("/")
        if kind == "schemas" and "enum" not in schemas[name]:
            return {"$ref": f"#/components/schemas/{name}V1"}
        if kind:
            return inlined(ours["components"][kind][name])
        return {key: inlined(value) for key, value in node.items() if key not in ("examples", "headers")}

    paths: dict[str, Any] = {}
    for path, item in ours["paths"].items():
        for method in {*item} - {"parameters"}:
            operation = inlined(item[method])
            operation["parameters"] = inlined([*item.get("parameters", []), *operation.get("parameters", [])])
            operation["operationId"] = f"API Keys V1#{IDS[operation['operationId'].split('_')[0]]}"
            paths.setdefault(path, {})[method] = {**operation, "tags": ["API Keys V1"], "x-docs": {}}
    named = {f"{name}V1": inlined(schema) for name, schema in schemas.items()}
    definition = named.pop("APIKeyDefinitionV1")
    named |= {"APIKeysCreatePayloadV1": definition, "APIKeysUpdatePayloadV1": deepcopy(definition)}
    for path, method, name in ((KEYS, "post", "Create"), (KEY, "put", "Update")):
        content = paths[path][method]["requestBody"]["content"]["application/json"]
        content["schema"] = {"$ref": f"#/components/schemas/APIKeys{name}PayloadV1"}
    # What upstream closes and we leave open.
    named["RoleV1"]["properties"]["name"] |= {"enum": ["viewer"], "maxLength": 9}
    named["ErrorSourceV1"]["required"] = ["field", "pointer"]
    # Others' business: circles, what is no schema at all, and a reference to nowhere.
    for number in range(1200):
        following = {"$ref": f"#/components/schemas/Other{(number + 1) % 1200}"}
        named[f"Other{number}"] = {"type": "object", "properties": {"next": following, "self": {"allOf": [following]}}}
    for number in range(190):
        schema = {"$ref": f"#/components/schemas/Other{number}"}
        answer = {"description": "", "content": {"application/json": {"schema": schema}}}
        paths[f"/v2/others_{number}"] = {"get": {"operationId": f"Others V2#{number}", "responses": {"200": answer}}}
    paths["/v2/broken"] = {"get": {"operationId": "Broken V2#Get", "responses": {"200": {"$ref": "#/nowhere"}}}}
    # The name of a scheme says nothing.
    schemes = {"Token": {**ours["components"]["securitySchemes"]["BearerAuth"], "description": "Their words"}}
    info = {"title": "all of it", "version": "1"}
    head = {"openapi": "3.0.3", "info": info, "servers": ours["servers"], "security": [{"Token": []}]}
    return json.dumps({**head, "paths": paths, "components": {"schemas": named, "securitySchemes": schemes}})


@cache
def loaded(file: Path) -> dict[str, Any]:
    return LOAD(file)


class Vendor:
    """The vendor's document, to be changed, and the tool that is run on it."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.document: dict[str, Any] = json.loads(manner_of_the_vendor())
        self.file, self.out = directory / "upstream.json", directory / "out.yaml"
        self.capsys = capsys
        self.errors = ""

    def schema(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.document["components"]["schemas"][f"{name}V1"]
        return found

    def payloads(self) -> list[dict[str, Any]]:
        return [self.schema("APIKeysCreatePayload"), self.schema("APIKeysUpdatePayload")]

    def operation(self, path: str, method: str) -> dict[str, Any]:
        found: dict[str, Any] = self.document["paths"][path][method]
        return found

    def run(self, *arguments: object) -> tuple[int, str]:
        self.file.write_text(json.dumps(self.document))
        return self.run_on_the_file(*arguments)

    def run_on_the_file(self, *arguments: object) -> tuple[int, str]:
        with pytest.MonkeyPatch.context() as patch:  # our own contract is read once for all tests, which takes a while
            patch.setattr(_contract, "load", lambda file: loaded(file) if file == SPEC else LOAD(file))
            code = _compare_upstream.main([str(self.file), *map(str, arguments)])
        output, self.errors = self.capsys.readouterr()
        return code, output

    def found(self, *arguments: object) -> list[tuple[str, str, object, object]]:
        code, output = self.run("--json", *arguments)
        assert code != 2, self.errors
        document = json.loads(output)
        assert code == (1 if document["differences"] else 0)
        assert document["same"] is not document["differences"]
        return [(d["place"], d["what"], d["upstream"], d["ours"]) for d in document["differences"]]

    def refuses(self, message: str) -> None:
        """Compare, and write, which must both fail with this message and leave everything as it was."""
        assert self.run_on_the_file() == (2, "")
        assert message in self.errors
        self.writes_nothing(message)

    def writes_nothing(self, message: str) -> None:
        self.out.write_text("as it was")
        assert self.run_on_the_file("--write-spec", self.out) == (2, "")
        assert message in self.errors
        assert self.errors.count("\n") == 1
        assert self.out.read_text() == "as it was"
        assert {file.name for file in self.out.parent.iterdir()} <= {self.file.name, self.out.name}


def add_a_role(vendor: Vendor) -> None:
    for payload in vendor.payloads():
        payload["properties"]["role_names"]["items"]["enum"].insert(2, "glossary_editor")
        payload["properties"]["role_names"]["items"]["enum"].append("last_one")


def remove_a_role(vendor: Vendor) -> None:
    for payload in vendor.payloads():
        payload["properties"]["team_role_names"]["items"]["enum"].remove("api_keys_manage")


def add_a_property(vendor: Vendor) -> None:
    text = {"type": "string", "description": "Their\n words: some", "maxLength": 9, "pattern": "^[^\0]*$"}
    for payload in vendor.payloads():
        payload["properties"]["rehearsal_notes"] = text
        payload["required"] = [*payload["required"], "rehearsal_notes"]


def add_to_an_answer(vendor: Vendor) -> None:
    used = {"type": "string", "format": "date-time", "example": "2021-08-17T13:28:57Z", "enum": ["now"]}
    vendor.schema("APIKey")["properties"]["rehearsed_at"] = used


def remove_a_property(vendor: Vendor) -> None:
    del vendor.schema("User")["properties"]["slack_user_id"]


def remove_a_parameter(vendor: Vendor) -> None:
    del vendor.operation(KEYS, "get")["parameters"][1]


def remove_a_status(vendor: Vendor) -> None:
    del vendor.operation(KEYS, "get")["responses"]["412"]


def remove_an_operation(vendor: Vendor) -> None:
    del vendor.document["paths"][ROTATE]


def move_the_server(vendor: Vendor) -> None:
    vendor.document["servers"] = [{"url": f"{OTHER}/"}]


def move_a_path(vendor: Vendor) -> None:
    vendor.document["paths"][ROTATE]["servers"] = [{"url": OTHER}]


def move_an_operation(vendor: Vendor) -> None:
    vendor.operation(ROTATE, "post")["servers"] = [{"url": OTHER}]


def open_an_operation(vendor: Vendor) -> None:
    vendor.operation(ROTATE, "post")["security"] = []


def open_the_api(vendor: Vendor) -> None:
    del vendor.document["security"]


def send_tokens_elsewhere(vendor: Vendor) -> None:
    vendor.document["components"]["securitySchemes"]["Token"] = {"type": "apiKey", "in": "query", "name": "key"}


def add_a_version(vendor: Vendor) -> None:
    show = vendor.operation(KEY, "get")
    vendor.document["paths"] |= {
        "/v2/api_keys/{id}": {"get": {**show, "operationId": "Show", "tags": []}},
        "/keys": {"post": {**show, "operationId": "API Keys V2#Create", "tags": []}},
        "/tokens": {"get": {**show, "operationId": "List", "tags": ["API keys V3"]}},
        "/v2/api_keys_of_others": {"get": 3},
    }


def deprecate_an_operation(vendor: Vendor) -> None:
    vendor.operation(ROTATE, "post")["deprecated"] = True


def say_what_nothing_here_understands(vendor: Vendor) -> None:
    grace = vendor.schema("RotateAPIKeyRequest")["properties"]["grace_period_minutes"]
    # The name is one half of a wrapper that says nothing else.
    vendor.schema("RotateAPIKeyRequest")["properties"]["grace_period_minutes"] = {
        "allOf": [grace],
        "not": {"enum": [7]},
    }
    vendor.schema("User")["patternProperties"] = {"^x": {"type": "string"}}  # is received, and a note


def wrap_what_is_sent(vendor: Vendor) -> None:
    properties = vendor.schema("RotateAPIKeyRequest")["properties"]
    properties["grace_period_minutes"] = {"oneOf": [properties["grace_period_minutes"]]}


def wrap_what_is_received(vendor: Vendor) -> None:
    vendor.schema("Creator")["properties"]["user"] = {"anyOf": [{"$ref": "#/components/schemas/UserV1"}]}


def say_nothing_of_a_type(vendor: Vendor) -> None:
    vendor.schema("Creator")["properties"]["user"] = {"description": "Somebody"}
