"""What a mock remembers: keys, and the tokens that were issued for them.

Everything that changes goes through `commit`, which writes it to the file, where there is one, before it counts.
"""

from __future__ import annotations

import secrets
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import reduce
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from attrs import evolve, field, frozen

from ._store import MockStateError, Store

Key: TypeAlias = dict[str, Any]  # in the form in which the API gives it; never changed, only replaced

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
NEVER: Final = datetime.max.replace(tzinfo=UTC)


@frozen
class Issue:
    """A token that was issued.

    Attributes:
        token: Its plain text.
        key_id: The key that it belongs to.
        ends: When it stops to work.
    """

    token: str = field(repr=False)
    key_id: str
    ends: datetime = NEVER

    @property
    def current(self) -> bool:
        """Whether it is the one that was issued last."""
        return self.ends == NEVER


class State:
    """Keys and tokens, and the file in which they are kept.

    Args:
        store: That file, or None to keep them in memory alone.

    Attributes:
        keys: By ID, in the order of creation, which is that of the IDs.
    """

    def __init__(self, store: Store | None) -> None:
        self._store = store
        keys, issues, facts = ([], [], {}) if store is None else store.load()
        self.keys: dict[str, Key] = {key["id"]: key for key in keys}
        self._issues = {token: Issue(token, key_id, ends or NEVER) for token, key_id, ends in issues}
        self._facts = facts
        self._unwritten: set[str] = set()  # IDs of keys whose last use is not in the file yet
        self._last_id = max(map(_number, self.keys), default=0)

    def issue(self, token: str) -> Issue | None:
        """The issue of a token, whether it still works or not."""
        return self._issues.get(token)

    def issues_of(self, key_id: str) -> list[Issue]:
        """The tokens of a key, in the order in which they were issued."""
        return [issue for issue in self._issues.values() if issue.key_id == key_id]

    def after(self, cursor: str) -> Iterator[Key]:
        """The keys whose IDs are greater, in order. A cursor whose key is gone still has its place."""
        ids = list(self.keys)
        return (self.keys[key_id] for key_id in ids[bisect_right(ids, cursor) :])

    def fact(self, name: str) -> str | None:
        """A single value that is remembered under a name."""
        return self._facts.get(name)

    def commit(
        self,
        key: Key,
        issues: Iterable[Issue] = (),
        ended: Iterable[Issue] = (),
        facts: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Remember a key as it is now, and with it tokens, all of it or nothing.

        Args:
            key: The key, new or changed.
            issues: Tokens of it, new or changed.
            ended: Tokens of it to forget.
            facts: Single values to remember, by name.
        """
        issues, ended = list(issues), list(ended)
        if self._store is not None:
            rows = [(each.token, each.key_id, None if each.current else each.ends) for each in issues]
            self._store.write(key, rows, [each.token for each in ended], facts)
        self.keys[key["id"]] = key
        self._unwritten.discard(key["id"])
        for issue in ended:
            del self._issues[issue.token]
        for issue in issues:
            self._issues[issue.token] = issue
        self._facts.update(facts)

    def use(self, key: Key, at: str) -> Key:
        """Record the use of a key, and return the updated key.

        The file is written with the next change of the key, or by `close`.
        """
        used = {**key, "last_used_at": at}
        self.keys[key["id"]] = used
        self._unwritten.add(key["id"])
        return used

    def close(self) -> None:
        """Write the last uses that the file does not have, and close it. There must be a file."""
        assert self._store is not None  # noqa: S101 - for the type checker
        for key_id in self._unwritten & set(self.keys):
            with suppress(MockStateError):
                self._store.write(self.keys[key_id], (), (), {})
        self._store.close()

    def delete(self, key_id: str) -> None:
        """Forget a key and its tokens."""
        if self._store is not None:
            self._store.delete(key_id)
        del self.keys[key_id]
        for issue in self.issues_of(key_id):
            del self._issues[issue.token]

    def new_issue(self, key_id: str) -> Issue:
        """A token that was never issued before."""
        return Issue(f"inc_{secrets.token_hex(32)}", key_id)

    def new_id(self, now: datetime) -> str:
        """A ULID: 48 bits of time, 80 of chance, and always more than the one before."""
        milliseconds = int(now.timestamp() * 1000)
        self._last_id = max(self._last_id + 1, milliseconds << 80 | secrets.randbits(80))
        return "".join(_CROCKFORD[self._last_id >> shift & 31] for shift in range(125, -1, -5))


def ending(issue: Issue, at: datetime) -> Issue:
    """A token that works until then."""
    return evolve(issue, ends=at)


def is_id(text: str) -> bool:
    """Whether a text has the form of the IDs that are made here."""
    return len(text) == 26 and set(text) <= set(_CROCKFORD) and text[0] < "8"


def _number(key_id: str) -> int:
    return reduce(lambda number, digit: number << 5 | _CROCKFORD.index(digit), key_id, 0)
