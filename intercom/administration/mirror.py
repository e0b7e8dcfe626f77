"""The rows in memory, and who belongs to whom; a parent that goes takes its own along."""

from collections.abc import Iterable, Iterator
from typing import Any, cast

from intercom.administration.rows import MODELS, PARENTS, Key, Shape, ShapeT, Table, key_of

_NO_ROWS: dict[Key, None] = {}


class Mirror:
    """What is in the database, as far as a snapshot needs it."""

    def __init__(self) -> None:
        self._rows: dict[Table, dict[Key, Shape]] = {shape: {} for shape in MODELS}
        self._of_parent: dict[tuple[Table, str], dict[Any, dict[Key, None]]] = {
            (shape, shape._fields[place]): {}
            for shape, parents in PARENTS.items()
            for place, _ in parents
        }
        self._children: dict[Table, list[tuple[Table, str]]] = {}
        for shape, parents in PARENTS.items():
            for place, parent in parents:
                self._children.setdefault(parent, []).append((shape, shape._fields[place]))

    def get(self, shape: type[ShapeT], *key: object) -> ShapeT | None:
        """Find a row by its key."""
        rows = cast("dict[Key, ShapeT]", self._rows[shape])
        return rows.get(key)

    def all(self, shape: type[ShapeT]) -> Iterable[ShapeT]:
        """Give every row of a table."""
        return cast("Iterable[ShapeT]", self._rows[shape].values())

    def keys(self, shape: Table) -> list[Key]:
        """Give every key of a table, as a list of one's own."""
        return list(self._rows[shape])

    def of(self, shape: type[ShapeT], field: str, parent: object) -> list[ShapeT]:
        """Give the rows that belong to a parent, by the field that names it."""
        rows = self._rows[shape]
        keys = self._of_parent[shape, field].get(parent, _NO_ROWS)
        return [cast("ShapeT", rows[key]) for key in keys]

    def keys_of(self, shape: Table, field: str, parents: Iterable[object]) -> set[Key]:
        """Give the keys of what belongs to some parents."""
        links = self._of_parent[shape, field]
        return {key for parent in parents for key in links.get(parent, _NO_ROWS)}

    def put(self, row: Shape) -> tuple[Key, Shape | None, bool]:
        """Take a row; give its key, the one of before, and whether they differ."""
        shape, key = type(row), key_of(row)
        before = self._rows[shape].get(key)
        if before == row:
            return key, before, False
        if before is not None:
            self._unlink(before, key)
        self._rows[shape][key] = row
        for place, _ in PARENTS[shape]:
            parent = row[place]
            if parent is not None:
                links = self._of_parent[shape, shape._fields[place]]
                links.setdefault(parent, {})[key] = None
        return key, before, True

    def drop(self, shape: Table, key: Key) -> Iterator[Shape]:
        """Forget a row and all that goes with it; give each."""
        row = self._rows[shape].pop(key, None)
        if row is None:
            return
        self._unlink(row, key)
        yield row
        for child, field in self._children.get(shape, ()):
            for child_key in list(self._of_parent[child, field].get(key[0], _NO_ROWS)):
                yield from self.drop(child, child_key)

    def _unlink(self, row: Shape, key: Key) -> None:
        shape = type(row)
        for place, _ in PARENTS[shape]:
            links = self._of_parent[shape, shape._fields[place]]
            siblings = links.get(row[place])
            if siblings is not None:
                siblings.pop(key, None)
                if not siblings:
                    del links[row[place]]
