# SPDX-License-Identifier: MIT
"""The library under test is named by CRASHCOLLECT_LIBRARY; the package is the one in this tree, or the installed one."""
import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

PACKAGE = pathlib.Path(__file__).resolve().parent.parent
if not os.environ.get("CCOL_INSTALLED_PACKAGE"):
    sys.path.insert(0, str(PACKAGE))


@pytest.fixture
def run_program(tmp_path):
    """Runs a program of its own with this interpreter: run(text, *arguments) -> CompletedProcess. A hang fails."""
    def run(text, *arguments, **variables):
        path = os.pathsep.join(sys.path)
        program = tmp_path / "program.py"
        program.write_text(textwrap.dedent(text))
        return subprocess.run([sys.executable, "-X", "dev", program, *map(str, arguments)], cwd=tmp_path, timeout=120,
                              capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path, **variables})
    return run
