"""What is shipped: wheel and sdist, installed where nothing else is."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from incident_io_keys.testing import MockAPI

from ..spec import ROOT

pytestmark = pytest.mark.exhaustive

# What the package needs, and what that needs in turn.
INSTALLED = {
    *("incident-io-keys", "attrs", "httpx", "msgspec", "python-dateutil", "httpcore"),
    *("anyio", "certifi", "h11", "idna", "six", "typing-extensions", "tzdata"),
}


def run(*command: object) -> str:
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both distributions; the wheel is built from the sdist, so that the sdist is known to be whole."""
    directory = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", directory, ROOT)
    return directory


def installed(dist: Path, environment: Path, extra: str = "") -> Path:
    """The interpreter of an environment that holds the wheel and what it brings."""
    run(sys.executable, "-m", "venv", environment)
    python = environment / "bin" / "python"
    [wheel] = dist.glob("*.whl")
    options = ("-qq", "--disable-pip-version-check", "--constraint", ROOT / "scripts" / "constraints.txt")
    run(python, "-m", "pip", "install", *options, f"{wheel}{extra}")
    return python


@pytest.fixture(scope="module")
def python(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(dist, tmp_path_factory.mktemp("environment"))


def test_the_wheel_holds_two_typed_packages_a_pytest_plugin_and_nothing_else(dist: Path) -> None:
    [wheel] = dist.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    packages = {"incident_io_keys", "incident_io_keys_generated"}
    assert {top for top in tops if not top.endswith(".dist-info")} == {*packages, "incident_io_keys_pytest.py"}
    assert {name for name in names if name.endswith("py.typed")} == {f"{package}/py.typed" for package in packages}
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any("__pycache__" in name for name in names)


def test_the_sdist_holds_what_the_package_is_made_from(dist: Path) -> None:
    [sdist] = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"openapi.yaml", "pyproject.toml", "README.md", "LICENSE", "scripts/generate", "tests/conftest.py"} <= names


def test_the_wheel_brings_no_more_than_it_should(python: Path) -> None:
    listed = run(python, "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check").split()
    names = {line.partition("==")[0].lower().replace("_", "-") for line in listed}
    assert names - {"pip", "setuptools"} <= INSTALLED
    assert {"incident-io-keys", "attrs", "httpx", "msgspec", "python-dateutil", "httpcore"} <= names


def test_the_wheel_imports_and_works_with_warnings_as_errors(python: Path) -> None:
    program = (
        "import incident_io_keys as i, incident_io_keys.testing as t; m = t.MockAPI()\n"
        "with i.KeysClient(m.token, transport=m.transport()) as keys: print(i.__version__, len(list(keys.list())))"
    )
    from incident_io_keys import __version__

    assert run(python, "-I", "-W", "error", "-c", program) == f"{__version__} 1\n"


def test_every_public_name_is_there(python: Path) -> None:
    run(python, "-I", "-c", "from incident_io_keys import *; from incident_io_keys.testing import *")


def test_storage_works_without_the_extra_and_says_how_to_get_it(python: Path, tmp_path: Path) -> None:
    program = (
        "import incident_io_keys as i, incident_io_keys.testing as t, sys; m = t.MockAPI()\n"
        "assert 'incident_io_keys.storage' not in sys.modules  # who does not use it does not wait for it\n"
        "import incident_io_keys.storage as c; k = c.FileStore(sys.argv[1])\n"
        "with i.KeysClient(m.token, transport=m.transport()) as keys: c.create_into(keys, k, name='a', role_names=[])\n"
        "try: c.KeyringStore(journal=sys.argv[1])\n"
        "except i.InvalidRequestError as error: print(error.problems[0])"
    )
    said = run(python, "-I", "-W", "error", "-c", program, tmp_path)
    assert said == "keyring: is not installed; pip install 'incident-io-keys[keyring]'\n"


def test_the_command_says_how_to_get_what_it_needs(python: Path) -> None:
    result = subprocess.run([python.parent / "incident-io-keys", "list"], capture_output=True, text=True, check=False)
    advice = "incident-io-keys: click, jinja2, rich not installed; pip install 'incident-io-keys[cli]'\n"
    assert (result.returncode, result.stdout, result.stderr) == (1, "", advice)


def test_with_the_extra_the_command_works(dist: Path, tmp_path: Path) -> None:
    command = installed(dist, tmp_path / "environment", "[cli]").parent / "incident-io-keys"
    assert "7 keys on 3 pages" in run(command, "demo")
    with MockAPI() as mock, mock.serve() as server:
        environment = {"INCIDENT_ENDPOINT": server.url, "INCIDENT_API_KEY": mock.token.reveal(), "HOME": str(tmp_path)}
        page = subprocess.run(
            [command, "audit", "--output", "html"], env=environment, capture_output=True, text=True, check=True
        )
    assert page.stdout.startswith("<!doctype html>")
    assert "<script>" in page.stdout


@pytest.mark.parametrize("page", ["api.py", "storage.py"])
def test_a_user_s_code_type_checks_against_the_wheel(python: Path, tmp_path: Path, page: str) -> None:
    shutil.copy(ROOT / "tests" / "typing" / page, tmp_path / "api.py")
    mypy = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", tmp_path / "cache"]
    run(*mypy, "--python-executable", python, tmp_path / "api.py")


@pytest.fixture(scope="module")
def pytest_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with pytest in it, to be put beside the wheel and what that brings."""
    directory = tmp_path_factory.mktemp("pytest")
    constraints = ROOT / "scripts" / "constraints.txt"
    options = ("-qq", "--disable-pip-version-check", "--constraint", constraints, "--target", directory)
    run(sys.executable, "-m", "pip", "install", *options, "pytest", "pytest-xdist")
    return directory


@pytest.mark.parametrize("workers", [0, 2])
def test_a_service_is_tested_with_what_the_wheel_brings(
    python: Path, pytest_elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    service = tmp_path / "example_service"
    shutil.copytree(ROOT / "tests" / "example_service", service, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("PYTHONPATH", str(pytest_elsewhere))
    monkeypatch.setenv("PYTEST_ADDOPTS", "")
    options = ("-W", "error", "-p", "no:cacheprovider", "--numprocesses", workers, "--rootdir", service)
    assert " passed" in run(python, "-m", "pytest", *options, service)


def test_a_project_whose_tests_do_not_use_the_plugin_does_not_pay_for_it(
    python: Path, pytest_elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "test_own.py").write_text(
        "import sys\n\ndef test_own():\n    assert not {'incident_io_keys', 'httpx'} & set(sys.modules)\n"
        "    assert 'incident_io_keys_pytest' in sys.modules\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(pytest_elsewhere))
    run(python, "-m", "pytest", "-p", "no:anyio", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path)
