"""Versions and releases: what a change makes of a version, and which release was the last.

A release is a tag of git: `v`, and the version. This module must not know what changed, nor how a release is made.
"""

from __future__ import annotations

import re
from enum import IntEnum

from _commands import git

Version = tuple[int, int, int]

VERSION = r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2}"
TAG = re.compile(f"v{VERSION}")


class Rating(IntEnum):
    """What a change is for those who use the package."""

    COSMETIC = 0
    ADDITIVE = 1
    BREAKING = 2

    def __str__(self) -> str:
        return self.name.lower()


def parse(text: str) -> Version:
    """Read a version, as in 1.2.3.

    Raises:
        ValueError: It is none.
    """
    if not re.fullmatch(VERSION, text):
        raise ValueError(f"{text!r} is no version: three numbers, as in 1.2.3")
    major, minor, patch = map(int, text.split("."))
    return major, minor, patch


def shown(version: Version) -> str:
    """Write a version."""
    return ".".join(map(str, version))


def following(version: Version, rating: Rating) -> Version:
    """The least version that may come after another one.

    As Semantic Versioning has it from 1.0.0. Before that, all moves one place to the right, as many expect: what breaks
    makes 0.3.0 of 0.2.5, and what does not makes 0.2.6.
    """
    major, minor, patch = version
    if rating is Rating.BREAKING:
        return (major + 1, 0, 0) if major else (0, minor + 1, 0)
    if rating is Rating.ADDITIVE and major:
        return major, minor + 1, 0
    return major, minor, patch + 1


def releases() -> dict[Version, bool]:
    """All releases, and whether the work tree comes after each."""
    merged = git("tag", "--list", "--merged", "HEAD").split()
    return {parse(tag[1:]): tag in merged for tag in git("tag", "--list").split() if TAG.fullmatch(tag)}


def last_release() -> str | None:
    """The tag of the release that the work tree comes after; None if there has not been one."""
    merged = [version for version, is_merged in releases().items() if is_merged]
    return f"v{shown(max(merged))}" if merged else None
