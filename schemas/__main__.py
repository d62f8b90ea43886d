"""`python -m stream_rec.schemas` writes what is made from the contract: JSON Schemas, and the tables in README.md."""

from __future__ import annotations

from stream_rec.schemas.documentation import PAGE, page
from stream_rec.schemas.json_schema import write

if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    for written in (PAGE, *write()):
        print(written)
