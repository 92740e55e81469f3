"""scripts/spec-diff: how it rates what changes in a contract, and what it compares."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import _spec_diff
import _versions
import _yaml_edit
from _versions import Rating
from incident_io_keys_generated import contract

from ..spec import ROOT
from .conftest import GRACE, LONGEST_NAME

needs_redocly = pytest.mark.skipif(not _spec_diff.REDOCLY.exists(), reason="redocly is not here; it needs Node 20")

SHORTEST = "          minLength: 1\n"
TEAM_IDS = (
    "        team_ids:\n          type: array\n          description: >-\n            The IDs of the teams in which"
)
SENT = "        notes:\n          type: string\n          description: Notes.\n"
ROLE = "          description: The name of the role. It may be one"
CREATED = "        created_at:\n          type: string\n          format: date-time\n"
ROTATE = "      required: [grace_period_minutes]\n"
GRACE_TYPE = "          type: integer\n          format: int64\n          description: For how many minutes"
LIMIT = "          type: integer\n          description: How many requests it allows.\n"
PERSON = "          description: The ID of the person.\n"
DELETE = (
    "      description: Deletes a key for good; its token stops working. Needs none of the scopes of the deleted key.\n"
)
BODY = "      requestBody:\n        required: true\n        content: {application/json: {schema: {type: object}}}\n"
PAGE_SIZE = "          required: false\n          description: How many keys"
PAGE_DEFAULT = f"default: {contract.LIST_API_KEYS_PAGE_SIZE_DEFAULT}"
REQUIRED = "      requestBody:\n        required: true"
CONFLICT = '        "409": {$ref: "#/components/responses/Conflict"}\n'

# What is done to the contract, and the place and the words of what has to be told. One diff has all of a rating.
CHANGES: dict[Rating, list[tuple[str, str, str, str]]] = {
    Rating.BREAKING: [
        ("        - viewer\n", "", "AccountRole.enum", "1 gone: viewer."),
        ('        viewer: "see what everyone in the organisation sees: public incidents, settings"\n', "", "", ""),
        (LONGEST_NAME, "maxLength: 50", "APIKeyDefinition.name.maxLength", "50"),
        ("operationId: show_api_key", "operationId: get_api_key", "get_api_key.operationId", "changed from"),
        (GRACE, "default: 1", "RotateAPIKeyRequest.grace_period_minutes.default", "does something else"),
        ("required: [name, description]", "required: [name]", "Duty.required", "description may be left out"),
        ("    Role:\n", "    Duty:\n", "Role", "Users import it."),
        ("schemas/Role\"", "schemas/Duty\"", "", ""),
        (CREATED, CREATED.replace("          format: date-time\n", ""), "APIKey.created_at", "`format`"),
        ("required: [id, name, role]", "required: [id, name, role, email]", "User.required", "email became required."),
        ("        slack_user_id:\n", "        slack_id:\n", "User.slack_id", "renamed"),
        (PAGE_SIZE, PAGE_SIZE.replace("false", "true"), "list_api_keys.parameters.page_size.required", ""),
        (PERSON, f"{PERSON}          format: uuid\n", "User.id.format", ""),
        (DELETE, f"{DELETE}{BODY}", "delete_api_key.requestBody", "It is required."),
        ("security:\n  - BearerAuth: []\n", "security: []\n", "security.0", "say who they are"),
        (TEAM_IDS, f"{SENT}{TEAM_IDS}", "", ""),
        ("[name, role_names, team", "[name, notes, role_names, team", "APIKeyDefinition.required", "notes"),
        ("https://api.incident.io", "https://api.incident.example", "servers.0.url", "became"),
        ("          format: password\n", "", "IssuedAPIKeyResponse.token", "`format`"),
        (LIMIT, LIMIT.replace("integer", "string"), "RateLimit.limit.type", "type: integer -> string."),
    ],
    Rating.ADDITIVE: [
        ("        - viewer\n", "        - viewer\n        - a\n        - b\n", "AccountRole.enum", "2 more: a, b."),
        (TEAM_IDS, f"{SENT}{TEAM_IDS}", "APIKeyDefinition.notes", "Property was added."),
        (CREATED, f"{SENT}{CREATED}", "APIKey.notes", "added"),
        (SHORTEST, f"{SHORTEST}          nullable: true\n", "APIKeyDefinition.name.nullable", ""),
        (f"          {LONGEST_NAME}\n", "          maxLength: 9999\n", "APIKeyDefinition.name.maxLength", "-> 9999"),
        (REQUIRED, REQUIRED.replace("true", "false"), "create_api_key.requestBody.required", ""),
        (ROTATE, "", "RotateAPIKeyRequest", "may be left out"),
        (GRACE_TYPE, GRACE_TYPE.replace("integer\n          format: int64", "number"),
         "RotateAPIKeyRequest.grace_period_minutes.type", "type: integer -> number."),
        ("active_keys: 5000", "active_keys: 6000", "x-limits.active_keys", "The mock keeps to it."),
    ],
    Rating.COSMETIC: [
        ("A role that a key has.", "A role of a key.", "Role.description", "A role of a key."),
        ("example: My test API key", "example: My key", "APIKeyDefinition.name.example", "My key"),
        (CONFLICT, "", "list_api_keys.responses.409", "goes by the status"),
        ("ErrorDebug", "DebugInformation", "ErrorDebug", "was removed."),
        (ROLE, f"          maxLength: 99\n{ROLE}", "Role.name.maxLength", "is not held against bounds"),
        ("create incidents, and change them", "change incidents", "AccountRole.x-enumDescriptions.incident_editor", ""),
        (PAGE_DEFAULT, "default: 30", "list_api_keys.parameters.page_size.default", "always sends page_size"),
    ],
}  # fmt: skip

EVERYWHERE = ("ErrorDebug", 'schemas/Role"')


@needs_redocly
@pytest.mark.parametrize("rating", list(Rating), ids=str)
def test_each_change_is_rated_for_users(rating: Rating, tmp_path: Path) -> None:
    text = (ROOT / "openapi.yaml").read_text()
    for old, new, _, _ in CHANGES[rating]:
        assert old in text, old
        text = text.replace(old, new, -1 if old in EVERYWHERE else 1)
    (tmp_path / "new.yaml").write_text(text)
    found = _spec_diff.compare(ROOT / "openapi.yaml", tmp_path / "new.yaml")
    for _, _, place, words in CHANGES[rating]:
        if place:
            of_it = [(str(each.rating), each.message) for each in found if each.place == place]
            assert any(rated == str(rating) and words in message for rated, message in of_it), (place, of_it, found)
    assert _spec_diff.total(found) == rating


def reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def wrapped(name: str, **beside: object) -> dict[str, Any]:
    return {**beside, "allOf": [reference(name)]}


class Contracts:
    """Two copies of the contract, and the changes between them."""

    def __init__(self, directory: Path) -> None:
        self.files = directory / "old.yaml", directory / "new.yaml"
        self.old, self.new = (_yaml_edit.load((ROOT / "openapi.yaml").read_text()) for _ in self.files)

    def changes(self, *, turned: bool = False) -> list[tuple[str, str, str]]:
        for file, document in zip(self.files, (self.old, self.new), strict=True):
            file.write_text(_yaml_edit.dump(document))
        old, new = reversed(self.files) if turned else self.files
        return [(str(each.rating), each.place, each.message) for each in _spec_diff.compare(old, new)]

    def line_of(self, text: str, above: str) -> int:
        """The line of a text in the new contract, below another one."""
        lines = self.files[1].read_text().splitlines()
        return lines.index(text, lines.index(above)) + 1


@pytest.fixture
def contracts(tmp_path: Path) -> Contracts:
    return Contracts(tmp_path)


def schemas_of(document: Any) -> Any:
    return document["components"]["schemas"]


@pytest.mark.exhaustive
@needs_redocly
@pytest.mark.parametrize("turned", [False, True])
def test_a_reference_within_allof_is_no_change(contracts: Contracts, *, turned: bool) -> None:
    schemas, path = schemas_of(contracts.new), contracts.new["paths"]["/v1/api_keys"]
    schemas["APIKey"]["properties"]["creator"] = wrapped("Creator")
    schemas["APIKey"]["properties"]["roles"]["items"] = wrapped("Role")
    schemas["Creator"]["properties"]["user"] = {"allOf": [wrapped("User")]}
    schemas["APIKeyDefinition"]["properties"]["role_names"]["items"] = wrapped("AccountRole")
    page_size = path["get"]["parameters"][0]
    page_size["schema"] = {"allOf": [page_size["schema"]]}
    path["post"]["requestBody"]["content"]["application/json"]["schema"] = wrapped("APIKeyDefinition")
    assert contracts.changes(turned=turned) == []


@pytest.mark.exhaustive
@needs_redocly
def test_words_beside_a_reference_within_allof_are_a_change_of_words(contracts: Contracts) -> None:
    old, new = schemas_of(contracts.old), schemas_of(contracts.new)
    new["APIKey"]["properties"]["creator"] = wrapped("Creator", description="Who made it.")
    old["ListAPIKeysResponse"]["properties"]["pagination_meta"] = wrapped("PaginationMeta", description="Old.")
    new["ListAPIKeysResponse"]["properties"]["pagination_meta"] = wrapped("PaginationMeta", description="New.")
    new["ErrorResponse"]["properties"]["rate_limit"] = wrapped("RateLimit", deprecated=True)
    assert sorted(contracts.changes()) == [
        ("cosmetic", "APIKey.creator.description", "description: nothing -> Who made it."),
        ("cosmetic", "ErrorResponse.rate_limit.deprecated", "It became deprecated."),
        ("cosmetic", "ListAPIKeysResponse.pagination_meta.description", "description: Old. -> New."),
    ]


@pytest.mark.exhaustive
@needs_redocly
def test_a_change_behind_or_beside_a_reference_within_allof_is_a_change(contracts: Contracts) -> None:
    new = schemas_of(contracts.new)
    new["APIKey"]["properties"]["creator"] = wrapped("Creator")
    new["Creator"]["properties"]["note"] = {"type": "string"}
    assert contracts.changes() == [("additive", "Creator.note", "Property was added.")]
    [change] = _spec_diff.compare(*contracts.files)
    assert change.line == contracts.line_of("        note:", "    Creator:")
    new["APIKey"]["properties"]["creator"] = wrapped("User")
    assert contracts.changes()[0][0] == "breaking"
    new["APIKey"]["properties"]["creator"] = wrapped("Creator", nullable=True)
    assert ("breaking", "APIKey.creator.nullable", "nullable: nothing -> true.") in contracts.changes()
    both = {"allOf": [reference("Creator"), {"type": "object", "required": ["user"]}]}
    new["APIKey"]["properties"]["creator"] = both
    assert contracts.changes()[0][0] == "breaking"


@pytest.mark.exhaustive
@needs_redocly
def test_what_became_deprecated_is_named(contracts: Contracts) -> None:
    operation, schemas = contracts.new["paths"]["/v1/api_keys"]["get"], schemas_of(contracts.new)
    for node in (
        operation,
        operation["parameters"][0],
        operation["parameters"][1]["schema"],
        contracts.new["components"]["parameters"]["id"],
        schemas["APIKey"]["properties"]["comments"],
        schemas["User"],
        schemas["TeamRole"],
    ):
        node["deprecated"] = True
    places = [
        *("APIKey.comments", "TeamRole", "User", "id", "list_api_keys"),
        *("list_api_keys.parameters.after", "list_api_keys.parameters.page_size"),
    ]
    became = [("cosmetic", f"{place}.deprecated", "It became deprecated.") for place in places]
    assert sorted(contracts.changes()) == became
    back = [("cosmetic", place, "It is no longer deprecated.") for place in places]
    assert sorted(contracts.changes(turned=True)) == back


@pytest.mark.exhaustive
@needs_redocly
def test_only_a_default_that_a_call_may_use_is_breaking(contracts: Contracts) -> None:
    parameters = contracts.new["paths"]["/v1/api_keys"]["get"]["parameters"]
    del parameters[0]["schema"]["default"]
    schemas_of(contracts.new)["APIKey"]["properties"]["comments"]["default"] = "none"
    assert {rating for rating, _, _ in contracts.changes()} == {"cosmetic"}
    parameters[1]["schema"]["default"] = "01FCNDV6P870EA6S7TK1DSYDG0"
    schemas_of(contracts.new)["APIKeyDefinition"]["properties"]["comments"]["default"] = "none"
    assert {place for rating, place, _ in contracts.changes() if rating == "breaking"} == {
        "APIKeyDefinition.comments.default",
        "list_api_keys.parameters.after.default",
    }


@pytest.mark.exhaustive
@needs_redocly
def test_another_type_is_named_and_breaking(contracts: Contracts) -> None:
    schemas = schemas_of(contracts.new)
    limits, definition = schemas["RateLimit"]["properties"], schemas["APIKeyDefinition"]["properties"]
    limits["limit"]["type"] = "string"
    limits["remaining"]["type"] = "number"
    limits["retry_after"]["type"] = "integer"
    del limits["name"]["type"]
    definition["comments"] = {**definition["comments"], "type": "integer"}
    schemas["APIKey"]["properties"]["comments"]["nullable"] = True
    assert sorted(each for each in contracts.changes() if each[0] != "cosmetic") == [
        ("breaking", "APIKey.comments.nullable", "nullable: nothing -> true."),
        ("breaking", "APIKeyDefinition.comments.type", "type: string -> integer."),
        ("breaking", "RateLimit.limit.type", "type: integer -> string."),
        ("breaking", "RateLimit.name", "type: string -> nothing."),
        ("breaking", "RateLimit.remaining.type", "type: integer -> number."),
        ("breaking", "RateLimit.retry_after.type", "type: string -> integer."),
    ]


@pytest.mark.exhaustive
@needs_redocly
def test_text_of_a_document_cannot_control_a_terminal(
    contracts: Contracts, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    schemas = schemas_of(contracts.new)
    schemas["User"]["description"] = "a\x1b[31m\u202e\u2066\nb"
    contracts.changes()
    monkeypatch.setattr("sys.argv", ["", *map(str, contracts.files)])
    assert _spec_diff.main() == 0
    output = capsys.readouterr().out
    assert "a\\x1b[31m\\u202e\\u2066\\nb" in output
    assert output.replace("\n", "").isprintable()
    schemas["User"]["properties"]["c\u202ed"] = {"$ref": "#/nowhere"}
    contracts.files[1].write_text(_yaml_edit.dump(contracts.new))
    assert _spec_diff.main() == 2
    errors = capsys.readouterr().err
    assert "c\\u202ed" in errors
    assert errors.replace("\n", "").isprintable()


@needs_redocly
def test_it_says_where_and_what_version_follows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "openapi.yaml").read_text()
    head, _, tail = text.partition("    AccountRole:\n")
    enum = "    AccountRole:\n" + tail.partition("      enum:\n")[0] + "      enum:\n"
    line = (head + enum).count("\n")
    (tmp_path / "new.yaml").write_text(text.replace(enum, f"{enum}        - a_role\n", 1))
    monkeypatch.setattr(_spec_diff, "last_release", lambda: "v1.2.3")
    monkeypatch.setattr("sys.argv", ["", str(ROOT / "openapi.yaml"), str(tmp_path / "new.yaml")])
    assert _spec_diff.main() == 0
    told, total = capsys.readouterr().out.splitlines()
    assert told.split() == ["additive", f"new.yaml:{line}", "AccountRole.enum", "1", "more:", "a_role."]
    assert total == "additive: the next version is 1.3.0 or later"
    monkeypatch.setattr("sys.argv", ["", *map(str, (ROOT / "openapi.yaml", tmp_path / "new.yaml")), "--json"])
    assert _spec_diff.main() == 0
    told_to_programs = json.loads(capsys.readouterr().out)
    assert (told_to_programs["rating"], told_to_programs["version"]) == ("additive", "1.3.0")
    assert told_to_programs["changes"][0]["line"] == line


@needs_redocly
def test_what_is_the_same_is_said_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["", *[str(ROOT / "openapi.yaml")] * 2])
    assert _spec_diff.main() == 0
    assert capsys.readouterr().out == "nothing changed\n"


def test_without_a_release_it_asks_what_to_compare_with(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_spec_diff, "last_release", lambda: None)
    monkeypatch.setattr("sys.argv", [""])
    assert _spec_diff.main() == 2
    assert "there is no release yet: name what to compare with" in capsys.readouterr().err


def test_what_is_no_contract_is_said_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "new.yaml").write_text("openapi: 2.0\n")
    for old, new, message in (
        (str(ROOT / "openapi.yaml"), str(tmp_path / "new.yaml"), "new.yaml:1: is no OpenAPI 3.0 document"),
        ("no-such-thing", "openapi.yaml", "'no-such-thing' is no file, and no revision of git"),
    ):
        monkeypatch.setattr("sys.argv", ["", old, new])
        assert _spec_diff.main() == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("version", "rating", "following"),
    [
        ("1.2.3", Rating.BREAKING, "2.0.0"),
        ("1.2.3", Rating.ADDITIVE, "1.3.0"),
        ("1.2.3", Rating.COSMETIC, "1.2.4"),
        ("0.2.3", Rating.BREAKING, "0.3.0"),
        ("0.2.3", Rating.ADDITIVE, "0.2.4"),
        ("0.2.3", Rating.COSMETIC, "0.2.4"),
    ],
)
def test_the_version_that_follows(version: str, rating: Rating, following: str) -> None:
    assert _versions.shown(_versions.following(_versions.parse(version), rating)) == following


@pytest.mark.parametrize("text", ["1.2", "1.2.3.4", "v1.2.3", "1.02.3", "1.2.3rc1", "", "1.2.\u0663"])
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="is no version"):
        _versions.parse(text)
