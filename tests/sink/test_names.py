"""Names of files: what they say is read back, and which of them hold every record once."""

from __future__ import annotations

from stream_rec.schemas.partition import TopicPartition
from stream_rec.sink.names import DataFile, in_force, log_in_names, parsed
from stream_rec.sink.reading import stretches


def data_file(
    first: int = 0, last: int = 9, topic: str = "events", log: str = "A-_x", hour: int = 472_222
) -> DataFile:
    return DataFile(TopicPartition(topic, 3), log, first, last, hour)


def test_a_name_says_topic_partition_log_offsets_and_hour() -> None:
    file = data_file(1000, 1999)
    assert file.path == (
        "events/date=2023-11-14/hour=22/events.3.A-_x.00000000000000001000-00000000000000001999.parquet"
    )
    assert parsed(f"/somewhere/{file.path}") == file
    assert parsed(f"bucket/{file.staged}") == file


def test_other_files_are_none_of_ours() -> None:
    names = (
        "events/x.parquet",
        "events/date=2023-11-14/hour=22/x.parquet",
        "_staged/x",
        f"{data_file().staged}.part",
    )
    assert [parsed(name) for name in names] == [None] * 4


def test_an_id_in_base64_fits_into_a_name() -> None:
    assert log_in_names("a+b/c") == "a-b_c"


def test_what_a_joined_file_covers_is_left_out() -> None:
    joined, later = data_file(0, 29), data_file(30, 39)
    small = [data_file(0, 9), data_file(10, 19), data_file(20, 29)]
    assert in_force([*small, later, joined]) == [joined, later]


def test_offsets_of_another_log_are_others() -> None:
    files = [data_file(0, 9), data_file(0, 29, log="B")]
    assert in_force(files) == files
    assert not files[0].overlaps(files[1])


def test_missing_and_doubled_offsets_are_counted() -> None:
    (one,) = stretches([data_file(0, 9), data_file(15, 19), data_file(18, 29)])
    assert (one.first, one.last, one.files, one.missing, one.doubled) == (0, 29, 3, 5, 2)
