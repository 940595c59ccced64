"""The outcome of every download, from img2dataset's tables to JSON Lines.

img2dataset tells why a photo failed only in Parquet, so this is a program for its environment:
`python outcomes.py DIR`. It imports nothing of this package.
"""

import json
import sys
from pathlib import Path

COLUMNS = ["url", "key", "status", "error_message"]


def main(folder: Path) -> None:
    """Prints one line per address of the finished shards in a folder."""
    import pyarrow.parquet

    for stats in sorted(folder.glob("*_stats.json")):  # written when a shard is finished
        shard = stats.name.removesuffix("_stats.json")
        table = pyarrow.parquet.read_table(folder / f"{shard}.parquet", columns=COLUMNS)
        for row in table.to_pylist():
            print(json.dumps({**row, "shard": shard}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
