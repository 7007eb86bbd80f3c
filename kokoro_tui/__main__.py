"""Entry point of ``kokoro-tui`` and of ``python -m kokoro_tui``."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run the command line and end the process with its exit code."""
    try:
        from kokoro_tui.cli.main import run  # here, because child processes import this module as well

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # while the modules were loading
        code = 130
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done and said; the interpreter's own end is nobody's to stop
    sys.exit(code)


if __name__ == "__main__":
    main()
