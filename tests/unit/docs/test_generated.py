"""Pages made from the product are not stale: `python -m docs.make_all` would change nothing."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from docs import make_cashier_guide, make_operations, make_state_machines, make_transactions
from docs.make_all import PAGES
from docs.sections import DOCS, table, with_section
from gateway.delivery.declare import Manifest
from gateway.model.machines import MACHINES
from gateway.model.refusals import dictionary
from gateway.settings import Settings


@pytest.mark.parametrize("name", PAGES)
def test_page_is_what_would_be_made_now(name: str) -> None:
    assert (DOCS / name).read_text("utf-8") == PAGES[name](), "stale: run python -m docs.make_all"


def test_every_machine_is_described_and_every_description_has_a_machine() -> None:
    assert make_state_machines.TITLES.keys() == MACHINES.keys()


def test_state_machine_page_has_every_row() -> None:
    page = make_state_machines.render()
    for machine in MACHINES.values():
        chapter = page.partition(f"\n`{machine.kind}`. ")[2].partition("\n## ")[0]
        assert all(f"`{event}`" in chapter for _, event in machine.rows)
        assert all(f"`{state}`" in chapter for state in machine.states)


def test_diagram_shows_changes_of_state_alone() -> None:
    page = make_state_machines.render()
    arrows = [line.strip().split(": ")[0] for line in page.splitlines() if " --> " in line]
    assert arrows
    assert all(origin != to for origin, to in (arrow.split(" --> ") for arrow in arrows))
    assert "[*] --> BUILT" in arrows


@pytest.mark.parametrize("package", [package for package, _ in make_transactions.PARTNERS])
def test_transactions_page_has_every_operation(package: str) -> None:
    page = make_transactions.render()
    assert all(f"| `{name}` |" in page for name in Manifest.load(package).operations)


def test_every_way_that_is_explained_is_used() -> None:
    declared = {
        (row.guarantee, row.after_unknown)
        for package, _ in make_transactions.PARTNERS
        for row in Manifest.load(package).operations.values()
    }
    assert declared == make_transactions.WAYS.keys()


def test_every_code_is_on_the_cashiers_page_once() -> None:
    page = make_cashier_guide.render()
    rows = [line.split(" | ")[0] for line in page.splitlines() if line.startswith("| `")]
    assert sorted(row.strip("| `") for row in rows if row.strip("| `") in dictionary()) == sorted(dictionary())


def test_every_code_has_somebody_to_call() -> None:
    assert {row.owner for row in dictionary().values()} <= make_cashier_guide.CALL.keys()


def test_every_setting_is_explained_and_nothing_else() -> None:
    fields = {f"{model.__name__}.{name}" for _, model in make_operations.PARTS for name in model.model_fields}
    assert make_operations.MEANINGS.keys() == fields


def test_every_table_of_the_settings_is_listed() -> None:
    found: set[type[BaseModel]] = set()
    _collect(Settings, found)
    assert found == {model for _, model in make_operations.PARTS}


def _collect(annotation: object, found: set[type[BaseModel]]) -> None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation not in found:
            found.add(annotation)
            for field in annotation.model_fields.values():
                _collect(field.annotation, found)
        return
    for part in getattr(annotation, "__args__", ()):
        _collect(part, found)


def test_section_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="rows"):
        with_section("no marks", "rows", "body")


def test_section_keeps_what_stands_around_it() -> None:
    page = "before\n<!-- made: rows -->\nold\n<!-- end: rows -->\nafter"
    assert with_section(page, "rows", "new\n") == "before\n<!-- made: rows -->\nnew\n<!-- end: rows -->\nafter"


def test_bar_in_a_cell_is_escaped() -> None:
    assert table(("a",), [("x|y",)]).splitlines()[-1] == "| x\\|y |"
