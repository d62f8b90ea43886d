"""Settings of shapes: what other people's messages and rows are in our records (docs/your-data.md)."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator

from stream_rec.settings.branch import Branch

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_UNITS = ("auto", "s", "ms", "us", "ns", "iso", "days")

NULL_WORDS = (
    "",
    "NULL",
    "null",
    "Null",
    "\\N",
    "NA",
    "N/A",
    "NaN",
    "nan",
    "None",
    "none",
    "undefined",
    "-",
    "(null)",
    "(not set)",
)
NOBODY = ("0", "-1", "00000000-0000-0000-0000-000000000000")

Framing = Literal["none", "confluent", "connect", "debezium", "cloudevents", "confluent-debezium"]
Format = Literal["auto", "json", "csv", "parquet", "avro", "protobuf", "msgpack", "xlsx", "text", "python"]
OUTPUTS = ("events", "items", "impressions", "merges")
"""What a shape makes, each a table of paths."""
Fields = dict[Annotated[str, Field(max_length=256)], Annotated[str, Field(max_length=4000)]]


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("the name of a shape has 1 to 64 letters, digits, '.', '_' and '-'")
    return name


def _unit(unit: str) -> str:
    if unit not in _UNITS and "%" not in unit:
        raise ValueError(f"set one of {', '.join(_UNITS)}, or a pattern such as '%d/%m/%Y %H:%M'")
    return unit


ShapeName = Annotated[str, AfterValidator(_name)]


class ShapeSettings(Branch):
    """What a message or a row is in our records. What is not given is the preset's, or the default."""

    preset: str = Field("", description="a shape to begin with; `stream-rec shape presets` lists them")
    framing: Framing = Field(
        "none",
        description="what is around the record: none, confluent, connect, debezium, cloudevents, or confluent-debezium",
    )
    format: Format = Field(
        "auto",
        description="json, csv, parquet, avro, protobuf, msgpack, xlsx, text (a line is `@value`) or python (a dict "
        "literal a line); auto = by a file's name and first bytes, json of messages",
    )
    schema_file: str = Field(
        "", description="Avro schema (.avsc), or Protobuf descriptor set, of messages without a registry"
    )
    schema_message: str = Field("", description="full name of the Protobuf message; empty = the first")
    separator: str = Field(
        ",", min_length=1, max_length=16, description="between the columns of a CSV; 'tab' = a tab"
    )
    columns: tuple[str, ...] = Field(
        (), max_length=1000, description="names of a CSV's columns, by position, if it has no header"
    )
    quoting: bool = Field(True, description="may columns of a CSV stand in double quotes")
    escape: Literal["double", "backslash"] = Field(
        "double", description='how a quote inside of quotes is written: "" or \\"'
    )
    encoding: str = Field("utf-8", description="of a file's text, e.g. 'cp1252'")
    files: str = Field("", description="which files of a folder or zip are read, as a pattern: '*.csv'")
    group_line: str = Field(
        "",
        description="a pattern of lines that name what the next rows belong to; its group is the column `group`",
    )
    events: Fields = Field(default_factory=dict, description="fields of an interaction, each as a path")
    items: Fields = Field(default_factory=dict, description="fields of an item, each as a path")
    impressions: Fields = Field(default_factory=dict, description="fields of an impression, each as a path")
    merges: Fields = Field(
        default_factory=dict,
        description="which messages say that a visitor is a user: visitor_id, user_id, keep; the bridge makes merges",
    )
    merge: bool = Field(
        False, description="make merges by the preset's `merges`; a table of the shape's own needs no switch"
    )
    unit: Annotated[str, AfterValidator(_unit)] = Field(
        "auto",
        description="of times: s, ms, us, ns, days since the epoch, iso, or a strptime pattern; auto = by each "
        "value's size, or ISO 8601",
    )
    plus_unit: Literal["s", "ms"] = Field("s", description="of `ts_plus`, which is added to `ts`")
    null: tuple[str, ...] = Field(NULL_WORDS, description="texts that stand for nothing")
    nobody: tuple[str, ...] = Field(NOBODY, description="user ids that stand for nobody")
    whole_numbers: bool = Field(False, description="read ids such as '17.0' as '17'")
    types: dict[str, str] = Field(default_factory=dict, description="our event type for theirs")
    other_types: Literal["keep", "leave_out"] = Field(
        "keep",
        description="what becomes of event types that `types` does not list: keep (under their own names) or leave_out "
        "(no event, counted)",
    )
    earliest: str = Field(
        "1990-01-01", description="a time before this date is refused: it is of another unit"
    )
    sorted: bool = Field(
        True, description="are the rows in order of time; false = they are sorted before use"
    )

    @field_validator("separator", mode="before")
    @classmethod
    def _tab(cls, value: Any) -> Any:
        return "tab" if value in ("\t", "\\t") else value

    @field_validator(*OUTPUTS, mode="before")
    @classmethod
    def _dotted(cls, value: Any) -> Any:
        """TOML takes `attributes.colour = ...` for a table; as a field it is called "attributes.colour"."""
        if not isinstance(value, dict):
            return value
        found: dict[Any, Any] = {}
        for name, path in value.items():
            nested = path if isinstance(path, dict) else None
            found |= {f"{name}.{inner}": each for inner, each in nested.items()} if nested else {name: path}
        return found

    @field_validator("earliest")
    @classmethod
    def _date(cls, value: str) -> str:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            raise ValueError("write a date: 1990-01-01")
        return value

    def only(self, *outputs: str) -> ShapeSettings:
        """Without the other tables of `OUTPUTS`.

        Args:
            outputs: those that are left.
        """
        none: dict[str, Any] = {kind: {} for kind in OUTPUTS if kind not in outputs}
        return self.model_copy(update={**none, **({} if "merges" in outputs else {"merge": False})})
