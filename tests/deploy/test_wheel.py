"""The distribution of `make dist`: it has all files of the product, and its wheel runs alone."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

PACKAGES = ("campaigns", "webhooks", "console", "api", "simulator", "devstack")
# Files that only people and the tools of translators read, so the wheel does not have them.
NOT_SHIPPED = (".md", ".po", ".pot")


@pytest.fixture(scope="module")
def dist(project, tmp_path_factory) -> Path:
    """The folder dist/ of `make dist`, made from a copy of the files that git knows."""
    source = tmp_path_factory.mktemp("source")
    for name in list_files(project):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(project / name, source / name, follow_symlinks=False)
    for command in (["git", "init", "-q"], ["git", "add", "-A"], ["git", *NOBODY, "commit", "-qm", "x"]):
        subprocess.run(command, cwd=source, check=True)
    # `make install` is done, in the environment of this test.
    words = ["make", "dist", f"READY={Path(sys.prefix) / '.ready'}", f"VENV={sys.prefix}", "--assume-old=install"]
    done = subprocess.run(words, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2, "twine has checked the wheel and the source"
    return source / "dist"


NOBODY = ("-c", "user.name=nobody", "-c", "user.email=nobody@localhost")


def list_files(project):
    listed = subprocess.run(["git", "ls-files"], cwd=project, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.splitlines() if (project / name).exists()]


@pytest.fixture(scope="module")
def wheel(dist) -> Path:
    [path] = dist.glob("*.whl")
    return path


def test_the_wheel_has_each_file_of_the_packages(project, wheel):
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name for name in archive.namelist() if ".dist-info/" not in name}
        procfile = archive.read("devstack/Procfile").decode()
    files = {name for name in list_files(project) if name.partition("/")[0] in PACKAGES}
    assert shipped == {name for name in files if not name.endswith(NOT_SHIPPED)} | {"celeryconfig.py"}
    assert procfile == (project / "Procfile").read_text()


def test_the_sums_are_those_of_the_files(dist):
    sums = dict(line.split()[::-1] for line in (dist / "SHA256SUMS").read_text().splitlines())
    packages = [path for path in dist.iterdir() if path.suffix in {".whl", ".gz"}]
    assert sums == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in packages}


@pytest.fixture
def environment(wheel, tmp_path) -> Path:
    """A virtual environment with the wheel, and with the packages that it needs from the environment of this test."""
    home = tmp_path / "environment"
    tools = Path(sys.executable).parent
    subprocess.run([tools / "uv", "venv", "--quiet", "--python", sys.executable, home], check=True)
    install = ["pip", "install", "--quiet", "--offline", "--no-deps", "--python", home / "bin/python", wheel]
    subprocess.run([tools / "uv", *install], check=True)
    [packages] = (home / "lib").glob("python*/site-packages")
    # This line makes the packages of the test's environment importable, but not the project itself: Python does not
    # follow the `.pth` file that leads to the project's folder.
    (packages / "others.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    for name in ("celery", "gunicorn"):
        script = (tools / name).read_text().split("\n", 1)[1]
        (home / "bin" / name).write_text(f"#!{home}/bin/python\n{script}")
        (home / "bin" / name).chmod(0o755)
    return home


def run(environment, folder, *words):
    command = [environment / "bin" / words[0], *words[1:]]
    variables = {"PATH": os.defpath, "HOME": str(folder), "REVOADA_LANGUAGE": "en", "COLUMNS": "100"}
    done = subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, check=False, timeout=280, errors="replace"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_demo_runs_from_the_wheel(project, environment, tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    code = "import campaigns, celeryconfig, console, devstack; print(campaigns.__file__, devstack.__file__)"
    variables = {"PATH": os.defpath, "REDIS_URL": "redis://localhost"}
    where = subprocess.run(
        [environment / "bin/python", "-c", code], cwd=folder, env=variables, capture_output=True, text=True, check=True
    )
    assert where.stdout.count(str(environment)) == 2, "the code is that of the wheel"
    assert str(project) not in where.stdout.replace(str(environment), "")
    shown = run(environment, folder, "revoada", "demo", "--exit")
    assert "Black Friday" in shown
    assert "campaign" in run(environment, folder, "revoada", "--help")
    assert list(folder.iterdir()) == [], "it leaves nothing behind"
