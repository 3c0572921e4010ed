from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.whatsapp.callback import CallbackData, read_callback, write_callback

callbacks = st.builds(
    CallbackData,
    installation=st.text("0123456789abcdef", min_size=8, max_size=8),
    message_id=st.integers(1, 2**63 - 1),
    send_no=st.integers(1, 2**15 - 1),
)


@given(callback=callbacks)
def test_what_is_written_is_read_again(callback):
    text = write_callback(callback)
    assert read_callback(text) == callback
    assert len(text) <= 512  # Meta's limit


@given(text=st.text() | st.from_regex(r"r1\.[0-9a-f]{7,9}\.[0-9]{1,20}\.[0-9]{1,6}", fullmatch=True))
def test_nothing_is_read_that_we_would_not_write(text):
    callback = read_callback(text)
    assert callback is None or write_callback(callback) == text


@given(callback=callbacks, before=st.text(max_size=3), after=st.text(max_size=3))
def test_with_something_around_it_it_is_not_the_same(callback, before, after):
    text = write_callback(callback)
    read = read_callback(before + text + after)
    assert read == callback if not before + after else read != callback


@pytest.mark.parametrize(
    "foreign",
    [
        None,
        7,
        b"r1.0123abcd.1.1",
        ["r1.0123abcd.1.1"],
        "",
        "order-17",
        "r2.0123abcd.1.1",
        "r1.0123ABCD.1.1",
        "r1.0123abc.1.1",
        "r1.0123abcd.0.1",
        "r1.0123abcd.1.0",
        "r1.0123abcd.01.1",
        "r1.0123abcd.-1.1",
        "r1.0123abcd.1",
        "r1.0123abcd.1.1.1",
        "r1.0123abcd.1.1\n",
        "r1.0123abcd.٣.1",  # a digit, but not ours
        f"r1.0123abcd.{2**63}.1",
        f"r1.0123abcd.1.{2**15}",
        f"r1.0123abcd.{'9' * 30}.1",
    ],
)
def test_what_others_write_into_the_field_is_foreign(foreign):
    assert read_callback(foreign) is None
