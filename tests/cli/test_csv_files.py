from __future__ import annotations

import errno
import os

import pytest

from campaigns.cli.csv_files import explain_unwritten


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.EACCES, "You may not write to {0}, so {0}/a.csv was not written. Choose another folder."),
        (errno.EPERM, "You may not write to {0}, so {0}/a.csv was not written. Choose another folder."),
        (errno.EROFS, "You may not write to {0}, so {0}/a.csv was not written. Choose another folder."),
        (errno.ENOSPC, "The disk with {0} is full, so {0}/a.csv was not written."),
        (errno.EDQUOT, "The disk with {0} is full, so {0}/a.csv was not written."),
        (errno.EIO, "{0}/a.csv was not written: Input/output error."),
    ],
)
def test_an_error_names_the_file_and_what_to_do(tmp_path, number, text):
    error = OSError(number, os.strerror(number), f"{tmp_path}/.a.csv.x7z")
    assert explain_unwritten(error, tmp_path / "a.csv").message.startswith(text.format(tmp_path))


def test_an_error_about_a_folder_says_that_it_is_one(tmp_path):
    message = explain_unwritten(IsADirectoryError(errno.EISDIR, "Is a directory"), tmp_path).message
    assert message == f"{tmp_path} is a folder, so nothing was written. Add the name of a file in it."
