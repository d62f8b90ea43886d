"""Data sets as they are downloaded: recognised, read, and said what was left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_rec.errors import ConfigError
from stream_rec.offline.datasets.guessing import guess_file
from stream_rec.offline.datasets.mapping import ColumnMapping
from stream_rec.offline.datasets.named import load_columns, open_source
from stream_rec.offline.datasets.reading import Reading
from stream_rec.offline.datasets.recognised import look
from stream_rec.schemas.records import Interaction
from stream_rec.settings import DataSettings, ShapeSettings

SAMPLES = Path(__file__).parent / "samples"
Event = tuple[str, str, str, float, float | None]

FILES: list[tuple[str, str, list[Event]]] = [
    (
        "adressa/20170101",
        "adressa",
        [
            ("cx:13794000000000000001:aaaa", "8e5b0e9a", "view", 1483225201.0, 45.0),
            ("cx:13794000000000000002:bbbb", "c01d0002", "view", 1483225290.0, 9.0),
        ],
    ),
    (
        "amazon-2014/ratings_Beauty.csv",
        "amazon-2014",
        [
            ("A3JM6GV9MNOF9X", "0558925278", "rating", 1355443200.0, 3.0),
            ("A39HTATAQ9V7YF", "0205616461", "rating", 1369699200.0, 5.0),
            ("A1Z513UWSAAO0F", "0558925278", "rating", 1404691200.0, 5.0),
        ],
    ),
    (
        "amazon-2023/5core.csv",
        "amazon-2023",
        [
            ("AGUSER1", "B0AAA00002", "rating", 1588615855.07, 4.0),
            ("AGUSER1", "B0AAA00000", "rating", 1588687728.923, 5.0),
        ],
    ),
    (
        "amazon-2023/All_Beauty.jsonl",
        "amazon-2023",
        [
            ("AGUSER000000000000000000001Q", "B0AAA00002", "rating", 1588615855.07, 4.0),
            ("AGUSER000000000000000000001Q", "B0AAA00000", "rating", 1588687728.923, 5.0),
            ("AGUSER000000000000000000002Q", "B0AAA00000", "rating", 1589665266.052, 1.0),
        ],
    ),
    (
        "book-crossing/BX-Book-Ratings.csv",
        "book-crossing",
        [
            ("276725", "034545104X", "view", 1e9, None),
            ("276726", "0155061224", "rating", 1e9 + 1, 5.0),
            ("276727", "0446520802", "view", 1e9 + 2, None),
        ],
    ),
    (
        "book-crossing/ratings_latin1_with_time.csv",
        "book-crossing",
        [("José", "Café Müller", "view", 1.1e9, None), ("Ann", 'B"x', "view", 1.1e9 + 1, None)],
    ),
    (
        "diginetica/train-item-views.csv",
        "diginetica",
        [
            ("session:1", "81766", "view", 1462752526.309, None),
            ("session:1", "31331", "view", 1462753031.018, None),
            ("17", "32118", "view", 1462838643.569, None),
        ],
    ),
    (
        "ecommerce-multi/2019-Nov.csv",
        "rees46",
        [
            ("520088904", "1003461", "view", 1572566400.0, 489.07),
            ("530496790", "5000088", "cart", 1572566401.0, 293.65),
            ("561587266", "17302664", "purchase", 1572566403.0, 28.31),
        ],
    ),
    (
        "ga4-export/events.jsonl",
        "ga4",
        [
            ("1234567.1705312000", "SKU-1", "view", 1705312345.678901, 19.9),
            ("u-7", "SKU-1", "purchase", 1705312399.0, 19.9),
            ("u-7", "SKU-2", "purchase", 1705312399.0, 19.9),
        ],
    ),
    (
        "goodbooks/ratings.csv",
        "goodbooks",
        [
            ("1", "258", "rating", 1e9, 5.0),
            ("2", "4081", "rating", 1e9 + 1, 4.0),
            ("2", "260", "rating", 1e9 + 2, 5.0),
            ("2", "9296", "rating", 1e9 + 3, 5.0),
        ],
    ),
    (
        "hm/transactions_train.csv",
        "hm",
        [
            ("000058a12d5b43e6", "0663713001", "purchase", 1537401600.0, 0.0508305084745762),
            ("000058a12d5b43e6", "0663713001", "purchase", 1537401600.0, 0.0508305084745762),
            ("00007d2de826758b", "0505221004", "purchase", 1537488000.0, 0.0152372881355932),
        ],
    ),
    (
        "kuairand/log_standard_4_08_to_4_21_pure.csv",
        "kuairand",
        [("0", "3784", "click", 1649400236.337, 2166.0), ("7", "3784", "like", 1649404236.337, 30166.0)],
    ),
    (
        "kuairec/small_matrix.csv",
        "kuairec",
        [("14", "148", "view", 1593898068.378, 0.7221), ("14", "183", "view", 1593898080.057, 1.9073)],
    ),
    (
        "lastfm-1k/userid-timestamp-artid-artname-traid-traname.tsv",
        "lastfm-1k",
        [
            ("user_000002", "坂本龍一 - Mc2 (Live_2009_4_15)", "play", 1241445124.0, None),
            ("user_000001", "bd1f6c6a-6b1f-4b0e-9d8a-000000000001", "play", 1241445250.0, None),
            ("user_000001", "Deep Dish - Me Im Famous (Pacha Ibiza)-09-28-2007", "play", 1241478537.0, None),
        ],
    ),
    (
        "ml-100k/u.data",
        "movielens-100k",
        [
            ("22", "377", "rating", 878887116.0, 1.0),
            ("196", "242", "rating", 881250949.0, 3.0),
            ("196", "302", "rating", 881250999.0, 5.0),
            ("186", "302", "rating", 891717742.0, 3.0),
        ],
    ),
    (
        "ml-1m/ratings.dat",
        "movielens-1m",
        [
            ("12", "2003", "rating", 978300275.0, 4.0),
            ("11", "2001", "rating", 978300760.0, 5.0),
            ("12", "2001", "rating", 978301968.0, 4.0),
            ("11", "2002", "rating", 978302109.0, 3.0),
        ],
    ),
    (
        "ml-1m/ratings_ms.dat",
        "movielens-1m",
        [("6762", "5996", "rating", 1695611315.142, 5.0), ("5282", "5997", "rating", 1722910745.519, 3.5)],
    ),
    (
        "ml-32m/ratings.csv",
        "movielens",
        [
            ("2", "10", "rating", 835355493.0, 5.0),
            ("2", "17", "rating", 835355681.0, 3.5),
            ("1", "17", "rating", 944249077.0, 4.0),
            ("1", "25", "rating", 944250228.0, 1.0),
        ],
    ),
    (
        "netflix/combined_data_1.txt",
        "netflix",
        [
            ("1488", "2", "rating", 1113868800.0, 3.0),
            ("822", "1", "rating", 1115942400.0, 5.0),
            ("2059", "2", "rating", 1125878400.0, 4.0),
            ("1488", "1", "rating", 1125964800.0, 3.0),
        ],
    ),
    (
        "personalize/interactions.csv",
        "personalize-csv",
        [("u-1", "i-1", "click", 1.7e9, 1.5), ("u-2", "i-1", "purchase", 1.7e9 + 100, None)],
    ),
    (
        "retailrocket/events.csv",
        "retailrocket",
        [
            ("992329", "248676", "cart", 1433221999.827, None),
            ("257597", "355908", "view", 1433221332.117, None),
            ("257597", "355908", "view", 1433221332.117, None),
            ("992329", "248676", "purchase", 1433222276.276, None),
            ("992329", "248676", "view", 1433224214.164, None),
        ],
    ),
    (
        "spotify-mpd/mpd.slice.0-999.json",
        "spotify-mpd",
        [
            ("0", "spotify:track:aaa", "add", 1493424000.0, None),
            ("0", "spotify:track:bbb", "add", 1493424000.0, None),
        ],
    ),
    (
        "steam/steam_reviews.json",
        "steam",
        [
            ("76561198000000001", "328100", "review", 1501632000.0, None),
            ("ann", "725280", "review", 1513468800.0, 3.3),
        ],
    ),
    (
        "tmall/ijcai2016_taobao.csv",
        "tmall-2016",
        [
            ("33554", "22", "click", 1444176000.0, None),
            ("1980536", "1836045", "click", 1447200000.0, None),
            ("1980536", "1836045", "purchase", 1447200000.0, None),
        ],
    ),
    (
        "tmall/user_log_format1.csv",
        "tmall",
        [
            ("328862", "323294", "click", 1409270400.0, None),
            ("328862", "844400", "purchase", 1409270400.0, None),
        ],
    ),
    (
        "yoochoose/yoochoose-buys.dat",
        "yoochoose-buys",
        [
            ("11", "214500001", "purchase", 1396521964.891, 1046.0),
            ("1", "214500001", "purchase", 1396868349.277, 12462.0),
        ],
    ),
    (
        "yoochoose/yoochoose-clicks.dat",
        "yoochoose-clicks",
        [
            ("11", "214500001", "click", 1396521875.672, None),
            ("1", "214500001", "click", 1396867869.277, None),
            ("1", "214500002", "click", 1396868049.868, None),
            ("2", "214500003", "click", 1396878997.614, None),
        ],
    ),
]


@pytest.mark.parametrize(("file", "preset", "expected"), FILES, ids=[file for file, _, _ in FILES])
def test_a_data_set_is_recognised_and_read_in_order_of_time(
    file: str, preset: str, expected: list[Event]
) -> None:
    assert look(SAMPLES / file).preset == preset
    log = load_columns(str(SAMPLES / file), DataSettings())
    found = log.select("user_id", "item_id", "event_type", "ts", "value").rows()
    assert found == sorted(expected, key=lambda event: event[3])


def test_data_that_can_be_no_interactions_is_refused_with_the_reason() -> None:
    with pytest.raises(ConfigError, match="has no users"):
        open_source(str(SAMPLES / "open-bandit/men.csv"), DataSettings())


def read(path: Path, shape: ShapeSettings, sort: str = "auto") -> list[Event]:
    reading = Reading("mine", sort, {"mine": shape})  # type: ignore[arg-type]
    log = load_columns(str(path), DataSettings(), None, reading)
    return log.select("user_id", "item_id", "event_type", "ts", "value").rows()


PLAIN = ShapeSettings(events={"user_id": "u", "item_id": "i", "ts": "t"})


def test_a_log_out_of_order_is_refused_and_sorted_or_left_when_told(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("u,i,t\na,x,1700010000\nb,y,1700000000\n")
    with pytest.raises(ConfigError, match="not in order of time") as refused:
        read(path, PLAIN)
    assert "--sort time" in refused.value.fix
    assert [event[0] for event in read(path, PLAIN, "time")] == ["b", "a"]
    assert [event[0] for event in read(path, PLAIN, "none")] == ["a", "b"]


def test_ids_that_stand_for_nobody_are_counted_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log.csv"
    nobodies = ["NULL", "\\N", "NA", "undefined", "0", "-1", ""]
    rows = [f"{user},x,1700000000" for user in [*nobodies, "ann"]]
    path.write_text("\n".join(["u,i,t", *rows]))
    assert read(path, PLAIN) == [("ann", "x", "view", 1.7e9, None)]
    assert "7 user_id stands for nobody" in "".join(capsys.readouterr())


def test_a_log_of_which_no_row_can_be_read_is_an_error_with_the_reasons(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("u,i,t\na,x,20191001\n")
    with pytest.raises(ConfigError, match=r"out of range.*%Y%m%d"):
        read(path, PLAIN)
    assert read(path, PLAIN.model_copy(update={"unit": "%Y%m%d"})) == [("a", "x", "view", 1569888000.0, None)]


def test_times_before_1990_are_read_when_told(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("u,i,t\na,x,17\n")
    assert read(path, PLAIN.model_copy(update={"earliest": "1970-01-01"})) == [("a", "x", "view", 17.0, None)]


def test_folders_patterns_and_zips_are_read_as_one_log(tmp_path: Path) -> None:
    import zipfile

    folder = tmp_path / "logs"
    folder.mkdir()
    for n in (1, 2):
        (folder / f"{n}.csv").write_text(f"u,i,t\nu{n},x,170000000{n}\n")
    with zipfile.ZipFile(tmp_path / "logs.zip", "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)
    expected = [("u1", "x", "view", 1.7e9 + 1, None), ("u2", "x", "view", 1.7e9 + 2, None)]
    for path in (folder, folder / "*.csv", tmp_path / "logs.zip"):
        assert read(path, PLAIN) == expected


def test_a_file_of_our_own_columns_counts_them_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log.csv"
    rows = [f"{user},x,170000000{n}" for n, user in enumerate(("NULL", "undefined", "0", "-1", "ann"))]
    path.write_text("\n".join(["user_id,item_id,ts", *rows, "bob,\\N,1700000009"]))
    assert load_columns(str(path), DataSettings())["user_id"].to_list() == ["ann"]
    said = "".join(capsys.readouterr())  # the log's lines go to either
    assert "4 rows: user_id stands for nobody, e.g. row 1: 'NULL'" in said
    assert "1 row: item_id stands for nothing" in said


def test_a_session_0_that_is_taken_for_a_user_is_somebody(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("session_id,item_id,ts\n0,x,1700000000\n")
    assert load_columns(str(path), DataSettings())["user_id"].to_list() == ["0"]


def test_numbers_that_are_no_seconds_of_our_days_are_refused_unless_told(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user_id,item_id,ts\na,x,20191001\n")
    with pytest.raises(ConfigError, match="before 1990"):
        load_columns(str(path), DataSettings())
    told = load_columns(str(path), DataSettings(), ColumnMapping(ts_unit="s"))
    assert told["ts"].to_list() == [20191001.0]


def test_a_windows_file_is_guessed_with_its_encoding(tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    path.write_bytes("Customer;Product-ID;When\nJosé;7;2024-05-01\n".encode("cp1252"))
    found = guess_file(path)
    assert found.settings["encoding"] == "cp1252"
    assert [one.user_id for one in found.records if isinstance(one, Interaction)] == ["José"]
