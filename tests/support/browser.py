"""Make sure that there is a browser for the tests of the pages: `python -m tests.support.browser`.

Debian's chromium where we may install it, Playwright's own elsewhere. Missing means that the tests fail, never that they are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys


def main() -> int:
    """Install a browser unless there is one; gives the exit code."""
    if shutil.which("chromium"):
        return 0
    if os.geteuid() == 0 and shutil.which("apt-get"):
        # A list that is old by a day names packages that are gone.
        for command in (
            ["apt-get", "update", "-q"],
            ["apt-get", "install", "-y", "-q", "--no-install-recommends", "chromium", "fonts-dejavu-core"],
        ):
            done = subprocess.run(command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, stdout=subprocess.DEVNULL, check=False)
            if done.returncode:
                return done.returncode
        return 0
    return subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
