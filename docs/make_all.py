"""``python -m docs.make_all`` writes every page that is made from the product, in whole or in part."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Final

from docs import make_cashier_guide, make_operations, make_state_machines, make_transactions
from docs.sections import DOCS

PAGES: Final[Mapping[str, Callable[[], str]]] = {
    page.PAGE: page.render for page in (make_cashier_guide, make_operations, make_state_machines, make_transactions)
}


def main() -> int:
    """Write what differs and name it."""
    for name, render in PAGES.items():
        path, text = DOCS / name, render()
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            sys.stdout.write(f"{path.relative_to(DOCS.parent)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
