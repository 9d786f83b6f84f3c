"""``python -m simulators {platform,bank,credit,hospital,sandbox,demo}``: one simulator, or all of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

PROGRAMS = ("platform", "bank", "credit", "hospital", "sandbox", "demo")


def main(argv: Sequence[str] | None = None) -> int:
    """Hands the rest of the arguments to the program named first; returns its exit code, 2 for an unknown name."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] not in PROGRAMS:
        print(f"用法 usage: python -m simulators {{{','.join(PROGRAMS)}}} [--help]", file=sys.stderr)
        return 2
    # Imported late: a bank does not have to load the platform.
    program = import_module(f"simulators.{arguments[0]}.app")
    return int(program.main(arguments[1:]))


if __name__ == "__main__":
    sys.exit(main())
