"""Which Python this is, and how it was built; run as a program, it prints that.

A Python that was built with optimizations takes up to an eighth less time.
"""

import platform
import sysconfig

_OPTIMIZATIONS = {"--enable-optimizations": "PGO", "--with-lto": "LTO"}
# The rules of its packages build with both, and leave that out of what sysconfig knows.
_DEBIAN = "--with-wheel-pkg-dir=/usr/share/python-wheels/"


def build(arguments: str) -> str:
    """Return how a Python was optimized that was configured with these arguments."""
    if _DEBIAN in arguments:
        return "Debian's: PGO, LTO"
    return ", ".join(
        name if option in arguments else f"no {name}"
        for option, name in _OPTIMIZATIONS.items()
    )


def this_python() -> str:
    """Return the version of the running Python, and how it was built."""
    name = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{name} ({build(str(sysconfig.get_config_var('CONFIG_ARGS')))})"


if __name__ == "__main__":
    print(this_python())  # noqa: T201
