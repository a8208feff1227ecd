"""Arrow tables as rows: memory-mapped, decoded in blocks as they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_gptoss.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

__all__ = ["ArrowTable", "map_arrow_files"]

# Rows are read almost always in order; decoding a block at a time costs a tenth of row by row.
_BLOCK = 256


class ArrowTable:
    """Rows of an Arrow table.

    Args:
        table: The columns, usually memory-mapped: nothing is read before it is asked for.
        name: How error messages call the dataset.
    """

    def __init__(self, table: pa.Table, name: str) -> None:
        self._table = table
        self._name = name
        self._block: tuple[int, list[dict[str, Any]]] = (-1, [])

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        if not 0 <= index < len(self):
            raise IndexError(f"{self._name} has no row {index}: it has {len(self)} rows")
        number, offset = divmod(index, _BLOCK)
        # One tuple, so that two threads reading at once decode a block twice at worst.
        held, block = self._block
        if number != held:
            block = self._table.slice(number * _BLOCK, _BLOCK).to_pylist()
            self._block = (number, block)
        return block[offset]

    def column(self, name: str) -> Sequence[Any]:
        """One column as Python values.

        Raises:
            DataError: There is no such column.
        """
        if name not in self._table.column_names:
            raise DataError(
                f"{self._name} has no column {name!r}; its columns are "
                f"{', '.join(self._table.column_names)}"
            )
        values: list[Any] = self._table.column(name).to_pylist()
        return values


def map_arrow_files(files: Sequence[Path]) -> pa.Table:
    """Memory-map Arrow stream files as one table, copying nothing."""
    import pyarrow as pa

    tables = [pa.ipc.open_stream(pa.memory_map(str(file))).read_all() for file in files]
    return tables[0] if len(tables) == 1 else pa.concat_tables(tables)
