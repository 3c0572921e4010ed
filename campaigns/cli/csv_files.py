"""Makes the files that commands write. A file is readable by its owner only, and is written whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from campaigns.cli.hints import _
from campaigns.cli.session import CommandError


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Yield a new file, readable by its owner only. If no error is raised, the file replaces `path` at the end.

    Raises CommandError if the file cannot be written.
    """
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink()
            raise
    except OSError as error:
        raise explain_unwritten(error, path) from None


def explain_unwritten(error: OSError, path: Path) -> CommandError:
    """Return the error of a file that was to be made or replaced: it names the file or folder that a person knows.

    The error of the operating system names a temporary file, or no file.
    """
    values = {"file": str(path), "folder": str(path.parent)}
    if error.errno == errno.ENAMETOOLONG:
        text = _("The name {file} is too long, so nothing was written. Choose a shorter name.", **values)
    elif path.is_dir():
        text = _("{file} is a folder, so nothing was written. Add the name of a file in it.", **values)
    elif error.errno in _FULL:
        text = _(
            "The disk with {folder} is full, so {file} was not written. Free some space, or choose another folder.",
            **values,
        )
    elif isinstance(error, PermissionError) or error.errno == errno.EROFS:
        text = _("You may not write to {folder}, so {file} was not written. Choose another folder.", **values)
    elif not path.parent.exists():
        text = _("The folder {folder} does not exist, so {file} was not written. Make the folder first.", **values)
    elif not path.parent.is_dir():
        text = _("{folder} is not a folder, so {file} was not written. Choose another folder.", **values)
    else:
        text = _("{file} was not written: {reason}.", reason=error.strerror or str(error), **values)
    return CommandError(text, code="file_error")


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
