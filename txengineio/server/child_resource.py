"""Resources that type checkers let be children of others."""

from __future__ import annotations

from twisted.web.resource import Resource

__all__ = ["ChildResource"]


class ChildResource(Resource):
    """A resource for ``putChild``, which asks for an ``IResource``.

    A type checker without mypy-zope takes no ``Resource`` for one, not even Twisted's
    own. This module's stub has it take these.
    """
