# SPDX-License-Identifier: MIT
"""Everything is in pyproject.toml but this: with CRASHCOLLECT_BUNDLE=/path/libcrashcollect.so.0 the wheel brings the
library along, and is then for this kind of machine only."""
import os
import pathlib
import shutil

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py
from wheel.bdist_wheel import bdist_wheel

BUNDLE = os.environ.get("CRASHCOLLECT_BUNDLE")


class Build(build_py):
    def run(self):
        super().run()
        if BUNDLE:
            shutil.copyfile(BUNDLE, pathlib.Path(self.build_lib, "crashcollect", "libcrashcollect.so.0"))


class Wheel(bdist_wheel):
    def get_tag(self):
        return ("py3", "none", super().get_tag()[2]) if BUNDLE else super().get_tag()


class Bundled(Distribution):
    def has_ext_modules(self):
        return bool(BUNDLE)


setup(cmdclass={"build_py": Build, "bdist_wheel": Wheel}, distclass=Bundled)
