"""What all templates keep to: boxes and headers of tables, and the focus of sentences about what was done."""

from __future__ import annotations

from tests.console.messages import SOURCE

BOX = "{% call scrolling("
# The steps of a draft have boxes and tables of their own.
DRAFTS = "templates/drafts/"


def test_each_table_is_in_the_box_that_moves():
    found = 0
    for template in sorted(SOURCE.glob("templates/**/*.html")):
        text = template.read_text()
        for before in text.split("<table")[:-1]:
            found += 1
            name = str(template.relative_to(SOURCE))
            is_boxed = BOX in before and "{% endcall %}" not in before.rpartition(BOX)[2]
            assert is_boxed or name.startswith(DRAFTS), name
    assert found > 8


def test_the_box_has_the_keyboard_and_a_name():
    (macro,) = (
        part.partition("{%- endmacro %}")[0]
        for part in (SOURCE / "templates/parts.html").read_text().split("{% macro ")
        if part.startswith("scrolling(")
    )
    for each in ('class="scrolls"', 'tabindex="0"', 'role="region"', "aria-label"):
        assert each in macro


def test_each_row_has_a_header_that_a_reader_of_the_screen_says_with_its_cells():
    for template in sorted(SOURCE.glob("templates/**/*.html")):
        for body in template.read_text().split("<tbody")[1:]:
            assert 'scope="row"' in body.partition("</tbody>")[0], template


def test_a_sentence_about_what_was_done_gets_the_focus_so_that_a_reader_of_the_screen_says_it():
    # At the login, a field has the focus. In `live/`, htmx would give it to the sentence with each update.
    elsewhere = {"login.html", "done.html"}
    done = [
        (template.name, line)
        for template in sorted(SOURCE.glob("templates/**/*.html"))
        for line in template.read_text().splitlines()
        if 'role="status" class="done"' in line and template.name not in elsewhere
    ]
    assert len(done) > 8
    assert [each for each in done if 'class="done" tabindex="-1" autofocus' not in each[1]] == []
