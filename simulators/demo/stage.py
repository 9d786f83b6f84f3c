"""What the audience sees: acts, lines, and one progress bar per hospital. Chinese first, English beside it."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

_LEAST_WIDTH = 124
"""Columns the report needs; a narrower terminal scrolls or wraps by itself."""


class Bar:
    """A progress bar; ``step`` moves it on."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def step(self, count: int = 1) -> None:
        self._progress.advance(self._task, count)

    def finish(self) -> None:
        """Full, whatever was left out on the way."""
        total = next(task.total for task in self._progress.tasks if task.id == self._task)
        self._progress.update(self._task, completed=total or 0)


class Stage:
    """The console of the story; a context manager that keeps the bars at the bottom of the screen."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, width=max(_LEAST_WIDTH, Console().width))
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=32), MofNCompleteColumn(),
            TimeElapsedColumn(), console=self.console,
        )  # fmt: skip

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def bar(self, title: str, total: int) -> Bar:
        return Bar(self._progress, self._progress.add_task(title, total=total))

    def act(self, when: str, zh: str, en: str) -> None:
        """A heading: the business time and what happens now."""
        self.console.print(f"[bold cyan]▌{when}[/]  [bold]{escape(zh)}[/]  [dim]{escape(en)}[/]")

    def say(self, zh: str, en: str) -> None:
        """One thing that happened."""
        self.console.print(f"   · {escape(zh)}  [dim]{escape(en)}[/]")

    def warn(self, text: str) -> None:
        self.console.print(f"   [bold red]! {escape(text)}[/]")
