"""A store's events as a table that another DuckDB database can scan without having the store.

A user's SQL must not run where the store is open: there it could name the store's file, and reading that file inside
the process that holds it drops its lock, by which a second process could write into it. So it runs in a database of
its own, which asks for the columns it needs, a batch at a time, and the store is read here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from logkit.errors import LogkitError
from logkit.sinks.filters import KEYS
from logkit.stats.templates import COLUMN

if TYPE_CHECKING:
    import pyarrow as pa

    from logkit.sinks.view import Query, StoreView

_BATCH_ROWS: Final = 122_880


Namer = Callable[[], tuple[tuple[str, ...], Callable[[pl.DataFrame], pl.Series]]]
"""Gives the fields that tell a row's template, and what makes the ids of templates (String) of a batch of them."""


class Scan:
    """The rows of a view: column `at` is called `c{at}` and holds what `fields` calls by the name `fields[at]`.

    `own` has each field's name in the store by the one it is shown as; "file" is looked up in `paths`. With `name`
    there is a further column, `pattern`, which is found only where it is asked for.
    """

    def __init__(
        self,
        view: StoreView,
        own: Mapping[str, str],
        paths: Mapping[tuple[int, int], str],
        name: Namer | None = None,
    ) -> None:
        self.fields = {f"c{at}": shown for at, shown in enumerate((*own, *((COLUMN,) if name else ())))}
        self._own = {at: own.get(shown, "") for at, shown in self.fields.items()}
        self._name = name
        self._named = f"c{len(own)}" if name else ""
        self.error: LogkitError | None = None
        """Why a scan broke off: DuckDB tells of it only as text."""
        self._view = view
        self._paths = paths
        with view.query() as query:
            self.schema: pa.Schema = self._relation(query, list(self.fields), limit=" LIMIT 0").to_arrow_table().schema

    def batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The columns asked for, a batch of rows at a time."""
        try:
            if self._name is not None and self._named in names:
                yield from self._with_templates(names, *self._name())
                return
            with self._view.query([self._own[name] for name in names]) as query:
                yield from self._relation(query, names).to_arrow_reader(_BATCH_ROWS)
        except LogkitError as error:
            self.error = error
            raise

    def _with_templates(
        self, names: Sequence[str], needed: Sequence[str], ids: Callable[[pl.DataFrame], pl.Series]
    ) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        schema = pa.schema([self.schema.field(name) for name in names])
        with self._view.query([*(self._own[name] for name in names if name != self._named), *needed]) as query:
            extra = [f"{query.columns[field]} AS needed_{field}" for field in needed]
            for batch in self._relation(query, names, extra).to_arrow_reader(_BATCH_ROWS):
                told = pl.DataFrame(pl.from_arrow(batch.select([f"needed_{field}" for field in needed])))
                found = ids(told.rename({f"needed_{field}": field for field in needed}))
                columns = [
                    found.to_arrow().cast(schema.field(name).type) if name == self._named else batch.column(name)
                    for name in names
                ]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)

    def table(self) -> Any:
        """What `connection.register` takes: each scan of it asks for the columns it needs."""
        import pyarrow.dataset

        scan = self

        class Table(pyarrow.dataset.Dataset):  # type: ignore[misc]
            def __init__(self) -> None:
                """Not the base class's, which has no rows of its own."""

            schema = scan.schema

            def scanner(self, columns: list[str] | None = None, filter: Any = None, **_: object) -> Any:
                return scan.scanner(list(scan.fields) if columns is None else columns, filter)

        return Table()

    def scanner(self, columns: list[str], condition: Any) -> Any:
        """An Arrow scanner of these columns where `condition`, an Arrow expression, holds."""
        import pyarrow as pa
        import pyarrow.dataset

        # An expression does not tell its columns; its text names them all (and, for c1, c10 too: one more is read).
        tested = "" if condition is None else str(condition)
        names = [name for name in self.fields if name in columns or name in tested]
        schema = pa.schema([self.schema.field(name) for name in names])
        found = self.batches(names)
        return pyarrow.dataset.Scanner.from_batches(
            found, schema=schema, columns=columns, filter=condition, use_threads=False, batch_readahead=0
        )

    def _relation(self, query: Query, names: Sequence[str], extra: Sequence[str] = (), limit: str = "") -> Any:
        columns = {**query.columns, "file": "logkit_file", "": "NULL::VARCHAR"}
        wanted = ", ".join([*(f"{columns[self._own[name]]} AS {name}" for name in names), *extra])
        source = "main.events"
        if "file" in {self._own[name] for name in names}:
            query.connection.register("logkit_files", self._files())
            source += " LEFT JOIN logkit_files USING (source, generation)"
        return query.ask(wanted, source, limit)

    def _files(self) -> pa.Table:
        import pyarrow as pa

        sources, generations = ([key[at] for key in self._paths] for at in range(len(KEYS)))
        kinds = pa.schema([("source", pa.int64()), ("generation", pa.int64()), ("logkit_file", pa.string())])
        return pa.table([sources, generations, list(self._paths.values())], schema=kinds)
