"""Where a benchmark's table stands in a document: between two marks."""

from pathlib import Path

BEGIN, FINISH = "<!-- figures begin -->", "<!-- figures end -->"


def put(path: Path, table: str, begin: str = BEGIN, finish: str = FINISH) -> None:
    """Write the table there, in place of what there is."""
    before, rest = path.read_text("utf-8").split(begin, 1)
    path.write_text(f"{before}{begin}\n{table}\n{finish}{rest.split(finish, 1)[1]}", "utf-8")
