"""Compilers of the predictor in one file, and what runs the programs they make."""
import dataclasses
import os
import shutil
import subprocess

import pytest

FLAGS = "-Wall -Wextra -ffp-contract=off".split()
DEBIAN_NODE = "/usr/share/nodejs"  # where em++ finds what it needs, also for another node than Debian's
WITHOUT = ["-fno-exceptions", "-fno-rtti"]
C_COMPILERS = {"g++": "gcc", "em++": "emcc", "aarch64-linux-gnu-g++": "aarch64-linux-gnu-gcc"}


@dataclasses.dataclass(frozen=True)
class Target:
    """A compiler with its flags, and what runs its programs."""

    command: list
    runner: list = dataclasses.field(default_factory=list)
    suffix: str = ""
    link: tuple = ()  # flags for linking alone
    programs: tuple = ("run",)
    same_bits: bool = True  # else as close as mathematical functions of another C library are

    def missing(self):
        """The programs that are not installed."""
        return [program for program in (self.command[0], *self.runner[:1]) if not shutil.which(program)]

    def compile(self, commands):
        """Runs the compiler with each list of arguments, until one fails or says something; the last finished process.
        Sources in C go to the compiler for C."""
        for command in commands:
            c = any(str(part).endswith(".c") for part in command)
            compiler = [C_COMPILERS[self.command[0]], "-std=c99", "-pedantic"] if c else [self.command[0], "-std=c++20"]
            flags = [flag for flag in self.command[1:] if not c or flag not in WITHOUT]
            done = subprocess.run([*compiler, *flags, *FLAGS, *command], capture_output=True, text=True,
                                  env={"NODE_PATH": DEBIAN_NODE, **os.environ})
            if done.returncode != 0 or done.stderr:
                break
        return done


def needed(programs):
    """Skips what these programs would run; fails instead where HEDDLE_ALL_TARGETS asks for everything."""
    text = f"not installed: {programs}; ./dev test --predict installs it"
    if os.environ.get("HEDDLE_ALL_TARGETS"):
        pytest.fail(text)
    pytest.skip(text)
