"""Data sets of others are read by their names, from the files as their makers publish them, fetched or found."""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from stream_rec.errors import ConfigError
from stream_rec.offline.datasets import fetched
from stream_rec.offline.datasets.named import load_columns, load_items, names, open_source
from stream_rec.offline.datasets.published import PUBLISHED
from stream_rec.settings import DataSettings, load
from stream_rec.shapes.presets import presets

RATINGS = b"userId,movieId,rating,timestamp\n1,10,4.0,1500000000\n2,11,2.5,1400000000\n1,12,5.0,1500000100\n"
FILES: dict[str, tuple[str, bytes]] = {
    "movielens-100k": ("ml-100k/u.data", b"1\t10\t4\t881250949\n2\t11\t2\t881250950\n"),
    "movielens-1m": ("ml-1m/ratings.dat", b"1::10::4::978300760\n2::11::2::978300761\n"),
    "movielens-10m": ("ml-10M100K/ratings.dat", b"1::10::4.5::978300760\n2::11::2::978300761\n"),
    "movielens-20m": ("ml-20m/ratings.csv", RATINGS),
    "movielens-25m": ("ml-25m/ratings.csv", RATINGS),
    "movielens-32m": ("ml-32m/ratings.csv", RATINGS),
    "amazon-2014": ("ratings_Beauty.csv", b"A1YJEY40YUW4SE,B00ABC1234,5.0,1391040000\n"),
    "amazon-2018": ("Luxury_Beauty.csv", b"B00004U9V2,A1YJEY40YUW4SE,5.0,1391040000\n"),
    "amazon-2023": (
        "Gift_Cards.csv",
        b"user_id,parent_asin,rating,timestamp\nAGKHLEW2SOWHNMFQIJGBECAF7INQ,B01NBQHNC1,5.0,1549866158332\n",
    ),
    "netflix": ("combined_data_1.txt", b"1:\n1488844,3,2005-09-06\n822109,5,2005-05-13\n"),
    "goodbooks-10k": ("ratings.csv", b"user_id,book_id,rating\n1,258,5\n2,4081,4\n"),
    "book-crossing": (
        "BX-Book-Ratings.csv",
        b'"User-ID";"ISBN";"Book-Rating"\n"276725";"034545104X";"0"\n"276726";"0155061224";"5"\n',
    ),
    "yoochoose": ("yoochoose-clicks.dat", b"1,2014-04-07T10:51:09.277Z,214536502,0\n"),
    "diginetica": (
        "train-item-views.csv",
        b"sessionId;userId;itemId;timeframe;eventdate\n1;NA;81766;526309;2016-05-09\n",
    ),
    "retailrocket": (
        "events.csv",
        b"timestamp,visitorid,event,itemid,transactionid\n1433221332117,257597,view,355908,\n",
    ),
    "rees46": (
        "2019-Oct.csv",
        b"event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
        b"2019-10-01 00:00:00 UTC,view,44600062,2103807459595387724,,shiseido,35.79,541312140,72d76fde\n",
    ),
    "mind": (
        "MINDsmall_train/behaviors.tsv",
        b"1\tU13740\t11/11/2019 9:05:58 AM\tN55189\tN55689-1 N35729-0\n",
    ),
    "lastfm-1k": (
        "userid-timestamp-artid-artname-traid-traname.tsv",
        b"user_000001\t2009-05-04T23:08:57Z\tf1b1cf71\tDeep Dish\t\tFuck Me Im Famous\n",
    ),
    "lastfm-360k": (
        "usersha1-artmbid-artname-plays.tsv",
        b"00000c289a1829a808ac09c00daf10bc3c4e223b\t3bd73256-3905-4f3a-97e2-8b341527f805\tbetty blowtorch\t2137\n",
    ),
    "otto": (
        "otto-recsys-train.jsonl",
        b'{"session": 42, "events": [{"aid": 1, "ts": 1661200010000, "type": "clicks"}]}\n',
    ),
    "taobao": ("UserBehavior.csv", b"1,2268318,2520377,pv,1511544070\n"),
    "kuairec": (
        "data/big_matrix.csv",
        b"user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio\n"
        b"0,3649,13838,10867,2020-07-05 00:08:23.438,20200705,1593878903.438,1.27\n",
    ),
}


def put(folder: Path, name: str, also: bytes = b"") -> DataSettings:
    """The data set's files where they are found, and one that is none of its logs."""
    file, text = FILES[name]
    path = folder / name / file
    path.parent.mkdir(parents=True)
    path.write_bytes(text + also)
    (folder / name / "README").write_text("read me")
    return DataSettings(folder=str(folder))


def zipped(to: Path, file: str, text: bytes) -> Path:
    with zipfile.ZipFile(to, "w") as archive:
        archive.writestr(file, text)
        archive.writestr("ml-25m/tags.csv", "userId,movieId,tag,timestamp\n1,10,fun,1500000000\n")
    return to


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """A web server over the folder `web`."""
    (tmp_path / "web").mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "web"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


# ---- by name, from the folder ----


def test_each_has_a_preset_a_licence_and_its_makers_page() -> None:
    assert FILES.keys() == PUBLISHED.keys()
    for known in PUBLISHED.values():
        assert known.preset in presets()
        assert known.licence
        assert known.page.startswith("http")


@pytest.mark.parametrize("name", PUBLISHED)
def test_each_is_read_as_its_makers_publish_it(name: str, tmp_path: Path) -> None:
    data = put(tmp_path, name)
    with capture_logs() as logged:
        log = load_columns(name, data)
    assert 1 <= len(log) <= 3
    assert log["ts"].min() > 500_000_000
    assert not log["user_id"].is_null().any()
    assert name in names(data)
    (said,) = [line for line in logged if line["event"].startswith(f"{name}:")]
    assert PUBLISHED[name].licence in said["event"]
    assert said["licence_and_files"] == PUBLISHED[name].page


def test_a_log_that_is_out_of_order_is_sorted(tmp_path: Path) -> None:
    log = load_columns("movielens-25m", put(tmp_path, "movielens-25m"))
    assert log["ts"].to_list() == [1_400_000_000.0, 1_500_000_000.0, 1_500_000_100.0]
    assert log["value"].to_list() == [2.5, 4.0, 5.0]


@pytest.mark.parametrize("form", ["zip", "tar.gz", "gz"])
def test_archives_need_not_be_unpacked(form: str, tmp_path: Path) -> None:
    folder = tmp_path / "movielens-25m"
    folder.mkdir()
    if form == "zip":
        zipped(folder / "ml-25m.zip", *FILES["movielens-25m"])
    elif form == "tar.gz":
        with tarfile.open(folder / "ml.tar.gz", "w:gz") as archive:
            for name in ("../../ratings.csv", "other.csv"):
                found = tarfile.TarInfo(name)
                found.size = len(RATINGS)
                archive.addfile(found, io.BytesIO(RATINGS))
    else:
        (folder / "ratings.csv.gz").write_bytes(gzip.compress(RATINGS))
    assert len(load_columns("movielens-25m", DataSettings(folder=str(tmp_path)))) == 3
    assert not (tmp_path.parent / "ratings.csv").exists()


def test_of_several_archives_none_is_chosen(tmp_path: Path) -> None:
    folder = tmp_path / "movielens-25m"
    folder.mkdir()
    for name in ("a.zip", "b.zip"):
        zipped(folder / name, *FILES["movielens-25m"])
    with pytest.raises(ConfigError, match="2 archives"):
        open_source("movielens-25m", DataSettings(folder=str(tmp_path)))


def test_a_log_of_ours_under_the_name_is_read_as_ours(tmp_path: Path) -> None:
    folder = tmp_path / "retailrocket"
    folder.mkdir()
    (folder / "events.csv").write_text("ts,user_id,item_id,event_type\n1700000000,u,i,view\n")
    log = load_columns("retailrocket", DataSettings(folder=str(tmp_path)))
    assert log.select("user_id", "item_id", "event_type").row(0) == ("u", "i", "view")


def test_what_is_not_there_is_an_error_that_says_which_files_from_where(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="files of otto are not there") as error:
        open_source("otto", DataSettings(folder=str(tmp_path)))
    assert f"{tmp_path}/otto" in error.value.fix
    assert "data.urls.otto" in error.value.fix
    assert PUBLISHED["otto"].page in error.value.fix


# ---- by URL ----


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_what_has_a_url_is_fetched_once(
    scheme: str, served: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    archive = zipped(tmp_path / "web" / "ml-25m.zip", *FILES["movielens-25m"])
    url = f"{served}/ml-25m.zip?x=1" if scheme == "http" else archive.as_uri()
    data = DataSettings(urls={"movielens-25m": url}, hashes={"movielens-25m": digest(archive).upper()})
    assert len(load_columns("movielens-25m", data)) == 3
    archive.unlink()
    assert len(load_columns("movielens-25m", data)) == 3
    assert names(data) == ["movielens-100k", "movielens-25m"]
    assert load_items("movielens-25m", data) == []


def test_a_wrong_hash_is_refused_and_nothing_is_kept(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "ml.zip", *FILES["movielens-25m"])
    data = DataSettings(urls={"movielens-25m": archive.as_uri()}, hashes={"movielens-25m": "0" * 64})
    with pytest.raises(ConfigError, match="has the sha256"):
        fetched.fetch("movielens-25m", data, tmp_path / "kept")
    assert not [path for path in (tmp_path / "kept").rglob("*") if path.is_file()]


def test_the_hash_of_the_first_time_holds_from_then_on(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "ml.zip", *FILES["movielens-25m"])
    data = DataSettings(urls={"movielens-25m": archive.as_uri()})
    kept = fetched.fetch("movielens-25m", data, tmp_path / "kept")
    assert kept.with_name("ml.zip.sha256").read_text() == digest(archive)
    assert fetched.fetch("movielens-25m", data, tmp_path / "kept") == kept
    kept.write_bytes(kept.read_bytes() + b"x")
    with pytest.raises(ConfigError, match="has the sha256"):
        fetched.fetch("movielens-25m", data, tmp_path / "kept")


def test_another_url_is_another_file(tmp_path: Path) -> None:
    one = zipped(tmp_path / "ml.zip", *FILES["movielens-25m"])
    (tmp_path / "new").mkdir()
    other = Path(shutil.copy(one, tmp_path / "new" / "ml.zip"))
    found = {
        fetched.fetch("movielens-25m", DataSettings(urls={"movielens-25m": path.as_uri()}), tmp_path / "kept")
        for path in (one, other)
    }
    assert len(found) == 2


def test_an_archive_in_the_folder_is_held_against_a_given_hash(tmp_path: Path) -> None:
    folder = tmp_path / "movielens-25m"
    folder.mkdir()
    archive = zipped(folder / "ml-25m.zip", *FILES["movielens-25m"])
    for given, fits in ((digest(archive), True), ("f" * 64, False)):
        data = DataSettings(folder=str(tmp_path), hashes={"movielens-25m": given})
        if fits:
            assert len(load_columns("movielens-25m", data)) == 3
        else:
            with pytest.raises(ConfigError, match="has the sha256"):
                open_source("movielens-25m", data)


def test_there_is_a_limit_to_what_is_fetched(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "ml.zip", *FILES["movielens-25m"])
    data = DataSettings(urls={"movielens-25m": archive.as_uri()}, max_fetch_bytes=10)
    with pytest.raises(ConfigError, match="more than 10 bytes"):
        fetched.fetch("movielens-25m", data, tmp_path / "kept")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/ml.zip", "file:///nowhere/ml.zip", "nonsense://x/y"])
def test_what_cannot_be_fetched_says_so(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be") as error:
        fetched.fetch("otto", DataSettings(urls={"otto": url}), tmp_path)
    assert "data.urls" in error.value.fix


def test_urls_and_hashes_are_settings() -> None:
    settings, _ = load(flags=["data.urls.otto=https://example.org/otto.zip", f"data.hashes.otto={'a' * 64}"])
    assert settings.data.urls == {"otto": "https://example.org/otto.zip"}
    with pytest.raises(ValidationError):
        DataSettings(hashes={"otto": "abc"})


def test_the_page_has_them_all() -> None:
    page = (Path(__file__).parents[3] / "docs" / "data-sets.md").read_text()
    for name, known in PUBLISHED.items():
        assert f"| `{name}` | `{known.files}` | `{known.preset}` | {known.licence} | <{known.page}> |" in page
