"""What is said where python-socketio is not installed."""

from __future__ import annotations

import subprocess
import sys

WITHOUT = "import sys; sys.modules['socketio'] = None; import txengineio.socketio"


def test_the_package_to_install_is_named_not_the_module() -> None:
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT], check=False, capture_output=True, text=True
    )
    assert run.stderr.endswith("Error: Socket.IO needs: pip install python-socketio\n")
