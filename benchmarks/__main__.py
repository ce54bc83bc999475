"""Runs the benchmark suite's command line."""

import sys

from benchmarks.run import main

if __name__ == "__main__":
    sys.exit(main())
