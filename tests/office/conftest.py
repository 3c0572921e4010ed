"""LibreOffice, which opens and saves spreadsheets without a window."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

_PROGRAM = shutil.which("soffice")
# Fields with commas and quotes, in UTF-8, each cell as it is shown.
_CSV = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true"
_SETTINGS = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry"><item oor:path="/org.openoffice.Setup/L10N">
<prop oor:name="ooSetupSystemLocale" oor:op="fuse"><value>{language}</value></prop></item></oor:items>"""

Convert = Callable[..., Path]


def pytest_configure() -> None:
    if _PROGRAM is None:
        raise pytest.UsageError("LibreOffice is missing: install Debian's package `libreoffice-calc-nogui`.")


@pytest.fixture
def convert(tmp_path: Path) -> Convert:
    """Saves a spreadsheet as another format, `csv` or `xlsx`, in a language; returns the new file."""

    def convert_one(path: Path, suffix: str, language: str = "en-US") -> Path:
        profile, folder = tmp_path / f"profile-{language}", tmp_path / f"{path.stem}-{language}-{suffix}"
        (profile / "user").mkdir(parents=True, exist_ok=True)
        (profile / "user/registrymodifications.xcu").write_text(_SETTINGS.format(language=language))
        assert _PROGRAM is not None
        subprocess.run(
            [
                _PROGRAM,
                f"-env:UserInstallation={profile.as_uri()}",
                "--headless",
                "--convert-to",
                _CSV if suffix == "csv" else suffix,
                "--outdir",
                str(folder),
                str(path),
            ],
            check=True,
            capture_output=True,
        )
        return folder / f"{path.stem}.{suffix}"

    return convert_one
