"""Command lines: flags in a table, errors of one line, help in groups.

A subclass of `CommandLine` lists its flags in ``groups``. Twisted parses them; how each
is read, what an error says and how the help looks is decided here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from getopt import GetoptError
from shutil import get_terminal_size
from textwrap import fill, wrap
from typing import Any, ClassVar, Final

from twisted.python.usage import Options, UsageError
from typing_extensions import override

from txengineio.checks import check_wait
from txengineio.errors import InvalidOption

__all__ = [
    "HELP_FLAGS",
    "NONE",
    "CommandLine",
    "Flag",
    "Groups",
    "WrongCommandLine",
    "as_float",
    "as_int",
    "as_names",
    "as_wait",
]

NONE: Final = "none"
"""The value of a flag for no limit; it is kept, as None stands for "not given"."""

_TEXT_COLUMN: Final = 30
_MAX_WIDTH: Final = 100


class WrongCommandLine(UsageError):
    """A command line makes no sense; the text is one line, and says where help is."""


def as_int(text: str) -> int | str:
    """Return a whole number; or the text, for a check to refuse, if it is none."""
    try:
        return int(text)
    except ValueError:
        return text


def as_float(text: str) -> float | str:
    """Return a number; or the text, for a check to refuse, if it is none."""
    try:
        return float(text)
    except ValueError:
        return text


def as_names(text: str) -> tuple[str, ...]:
    """Return what stands between commas."""
    return tuple(name.strip() for name in text.split(","))


def as_wait(text: str) -> float:
    """Return a number of seconds that may be 0.

    Raises:
        InvalidOption: It is none.
    """
    return check_wait("time", as_float(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A flag of a command line.

    Attributes:
        name: Without the hyphens in front of it.
        text: What it does; a sentence that needs no other flag's text beside it.
        value: What stands for its value in the help; empty if it takes none.
        letter: Its short form, if it has one.
        take: Makes the value from its text, or raises `InvalidOption`.
        expected: What a good value looks like, if the option's own words do not fit a
            command line.
        optional: Whether it may be `NONE`.
        default: The value if the flag is not given.
        shown_default: What the help says about that; by default the value.
    """

    name: str
    text: str
    value: str = ""
    letter: str | None = None
    take: Callable[[str], Any] = str
    expected: str = ""
    optional: bool = False
    default: Any = None
    shown_default: str = ""

    def read(self, text: str) -> Any:
        """Return the value that a text stands for.

        Raises:
            InvalidOption: It stands for none; the error names flag and text.
        """
        if self.optional and text.lower() == NONE:
            return NONE
        try:
            return self.take(text)
        except InvalidOption as error:
            expected = self.expected or error.expected
            if self.optional:
                expected += f", or {NONE}"
            raise InvalidOption(f"--{self.name}", expected, text) from error

    @property
    def usage(self) -> str:
        """How the flag is written."""
        letter = f"-{self.letter}, " if self.letter else "    "
        return f"  {letter}--{self.name} {self.value}".rstrip()

    @property
    def description(self) -> str:
        """What the help says about the flag."""
        default = self.shown_default or ("" if self.default is None else self.default)
        return self.text if default == "" else f"{self.text} [default: {default}]"


Groups = Sequence[tuple[str, Sequence[Flag]]]

HELP_FLAGS: Final = (
    Flag(name="help", text="Show this help and exit."),
    Flag(name="version", text="Show the version of txengineio and exit."),
)


class CommandLine(Options):
    """A command line whose errors are one line each, and whose help has groups.

    A flag that has a method of its own, named as Twisted wants it (``opt_listen``),
    stands in ``groups`` for the help alone.
    """

    program: ClassVar[str]
    """What is typed before the flags; errors begin with it."""
    usage: ClassVar[str]
    """The first line of the help."""
    introduction: ClassVar[str]
    """What the help says before the flags."""
    closing: ClassVar[str] = ""
    """What the help says after them, in lines that are not to be folded."""
    groups: ClassVar[Groups] = ()
    """The flags, under a heading each."""
    optParameters: ClassVar[list[list[Any]]]
    optFlags: ClassVar[list[list[Any]]]

    @override
    def __init_subclass__(cls) -> None:
        """Tell Twisted of the flags."""
        super().__init_subclass__()
        flags = [flag for flag in cls.flags() if not hasattr(cls, _method(flag))]
        cls.optParameters = [
            [flag.name, flag.letter, flag.default, flag.text, flag.read]
            for flag in flags
            if flag.value
        ]
        cls.optFlags = [
            [flag.name, flag.letter, flag.text] for flag in flags if not flag.value
        ]

    @classmethod
    def flags(cls) -> Iterator[Flag]:
        """Yield each flag."""
        for _title, flags in cls.groups:
            yield from flags

    @override
    def opt_version(self) -> None:
        """Show the version of txengineio and exit."""
        # The package is loaded: this is a part of it.
        package = sys.modules[__name__.partition(".")[0]]
        sys.stdout.write(f"txengineio {package.__version__}\n")
        raise SystemExit(0)

    @override
    def parseOptions(self, options: Any = None) -> None:
        """Read a command line.

        Raises:
            WrongCommandLine: It makes no sense.
        """
        try:
            super().parseOptions(options)
        except WrongCommandLine:
            raise
        except (InvalidOption, UsageError) as error:
            cause = error.__context__
            problem = str(error)
            if isinstance(cause, GetoptError):
                problem = self._misspelt(cause.opt)
            raise WrongCommandLine(
                f"{self.program}: {problem}; see {self.program} --help"
            ) from error

    def _misspelt(self, name: str) -> str:
        """Return what is wrong with a flag that cannot be read at all."""
        written = f"-{name}" if len(name) == 1 else f"--{name}"
        for flag in self.flags():
            if name in (flag.name, flag.letter):
                if flag.value:
                    return f"{written} needs a value, {flag.value}"
                return f"{written} takes no value"
        names = [flag.name for flag in self.flags()]
        meant = [each for each in names if each.startswith(name)]
        if len(name) == 1 or not meant:
            meant = get_close_matches(name.replace("_", "-"), names, n=1)
        problem = f"there is no flag {written}"
        if meant:
            problem += f"; did you mean {' or '.join(f'--{each}' for each in meant)}?"
        return problem

    @override
    def getSynopsis(self) -> str:
        return f"Usage: {self.usage}"

    @override
    def getUsage(self, width: int | None = None) -> str:
        width = width or min(get_terminal_size().columns, _MAX_WIDTH)
        parts = [fill(self.introduction, width)]
        parts += [f"{title}:\n{_rows(flags, width)}" for title, flags in self.groups]
        return "\n" + "\n\n".join([*parts, self.closing]).rstrip() + "\n"


def _method(flag: Flag) -> str:
    return f"opt_{flag.name.replace('-', '_')}"


def _rows(flags: Sequence[Flag], width: int) -> str:
    return "\n".join(line for flag in flags for line in _row(flag, width))


def _row(flag: Flag, width: int) -> Iterator[str]:
    lines = wrap(flag.description, width - _TEXT_COLUMN - 1, break_on_hyphens=False)
    usage = flag.usage
    if len(usage) > _TEXT_COLUMN - 2:
        yield usage
        usage = ""
    for line in lines:
        yield f"{usage:<{_TEXT_COLUMN}}{line}"
        usage = ""
