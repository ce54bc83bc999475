from typing import Any

from twisted.web.resource import Resource

class ChildResource(Resource, Any):  # type: ignore[misc]  # see `child_resource.py`
    def __init__(self) -> None: ...
