"""Data sets that others publish, by name: which of their files is read by which preset, and on what terms.

Their files are found as their makers publish them, in `DATA.FOLDER/NAME` (unpacked, or as the archive), or fetched from
`data.urls.NAME`. What the licences say is a summary of 2026-11; the makers' page is what counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from stream_rec import logs
from stream_rec.errors import ConfigError
from stream_rec.offline.datasets import fetched
from stream_rec.offline.datasets.parts import is_archive
from stream_rec.offline.datasets.recognised import look
from stream_rec.offline.datasets.shaped import ShapedSource
from stream_rec.settings import DATA_VARIABLE, DataSettings, ShapeSettings


class Published(NamedTuple):
    """A data set.

    Attributes:
        preset: of its rows.
        files: names of its logs, as a pattern; each may be gzip besides.
        licence: what its makers allow, in short.
        page: theirs.
    """

    preset: str
    files: str
    licence: str
    page: str


_GROUPLENS = "research; no commercial use and no passing on without permission; to be cited"
_AMAZON = "no licence is stated; published for research, to be cited"


def _movielens(preset: str, files: str, size: str) -> Published:
    return Published(preset, files, _GROUPLENS, f"https://grouplens.org/datasets/movielens/{size}/")


PUBLISHED: Mapping[str, Published] = {
    "movielens-100k": _movielens("movielens-100k", "u.data", "100k"),
    "movielens-1m": _movielens("movielens-1m", "ratings.dat", "1m"),
    "movielens-10m": _movielens("movielens-1m", "ratings.dat", "10m"),
    "movielens-20m": _movielens("movielens", "ratings.csv", "20m"),
    "movielens-25m": _movielens("movielens", "ratings.csv", "25m"),
    "movielens-32m": _movielens("movielens", "ratings.csv", "32m"),
    "amazon-2014": Published(
        "amazon-2014", "ratings_*.csv", _AMAZON, "https://jmcauley.ucsd.edu/data/amazon/"
    ),
    "amazon-2018": Published("amazon-2018", "*.csv", _AMAZON, "https://nijianmo.github.io/amazon/"),
    "amazon-2023": Published("amazon-2023", "*", _AMAZON, "https://amazon-reviews-2023.github.io/"),
    "netflix": Published(
        "netflix",
        "[cm]*_*[0-9].txt",
        "no longer published by its makers; research only, and no passing on",
        "https://www.kaggle.com/datasets/netflix-inc/netflix-prize-data",
    ),
    "goodbooks-10k": Published(
        "goodbooks", "ratings.csv", "CC BY-SA 4.0", "https://github.com/zygmuntz/goodbooks-10k"
    ),
    "book-crossing": Published(
        "book-crossing",
        "*Ratings*.csv",
        "research, to be cited",
        "http://www2.informatik.uni-freiburg.de/~cziegler/BX/",
    ),
    "yoochoose": Published(
        "yoochoose-clicks", "yoochoose-clicks.dat", "CC BY-NC-ND 4.0", "https://recsys.yoochoose.net/"
    ),
    "diginetica": Published(
        "diginetica",
        "train-item-views.csv",
        "the terms of the CIKM Cup 2016",
        "https://competitions.codalab.org/competitions/11161",
    ),
    "retailrocket": Published(
        "retailrocket",
        "events.csv",
        "CC BY-NC-SA 4.0",
        "https://www.kaggle.com/datasets/retailrocket/ecommerce-dataset",
    ),
    "rees46": Published("rees46", "20*.csv", "free to use, naming REES46", "https://rees46.com/en/datasets"),
    "mind": Published(
        "mind",
        "behaviors.tsv",
        "Microsoft Research License Terms: research, not commercial",
        "https://msnews.github.io/",
    ),
    "lastfm-1k": Published(
        "lastfm-1k",
        "userid-timestamp-*.tsv",
        "not commercial, with the permission of Last.fm",
        "http://ocelma.net/MusicRecommendationDataset/lastfm-1K.html",
    ),
    "lastfm-360k": Published(
        "lastfm-360k",
        "usersha1-artmbid-*.tsv",
        "not commercial, with the permission of Last.fm",
        "http://ocelma.net/MusicRecommendationDataset/lastfm-360K.html",
    ),
    "otto": Published("otto", "*.jsonl", "CC BY 4.0", "https://github.com/otto-de/recsys-dataset"),
    "taobao": Published(
        "taobao", "UserBehavior.csv", "CC BY-NC-SA 4.0", "https://tianchi.aliyun.com/dataset/649"
    ),
    "kuairec": Published("kuairec", "big_matrix.csv", "CC BY-SA 4.0", "https://kuairec.com/"),
}


def here(name: str, data: DataSettings) -> Path | None:
    """Where the files of a data set are: a folder, an archive or a file; None = nowhere. What has a URL is fetched.

    Raises:
        ConfigError: it cannot be fetched, or is not what its hash says.
    """
    known = PUBLISHED.get(name)
    if known is None:
        return None
    if found := _in_folder(name, known, data):
        return fetched.checked(name, found, data) if found.is_file() else found
    return fetched.fetch(name, data) if name in data.urls else None


def open_published(name: str, path: Path) -> ShapedSource:
    """The log that `here` found. Its licence is logged."""
    known = PUBLISHED[name]
    logs.get("import").info(f"{name}: {known.licence}", licence_and_files=known.page)
    shape = ShapeSettings(preset=known.preset, files="" if _is_plain(path) else pattern(known))
    return ShapedSource.of(path, shape, name)


def pattern(known: Published) -> str:
    """Of its files' names, gzip or not."""
    return known.files if known.files.endswith("*") else f"{known.files}*"


def missing(name: str, data: DataSettings) -> ConfigError:
    """What to do about a data set that is known and not there."""
    known = PUBLISHED[name]
    folder = Path(data.folder or f"${DATA_VARIABLE}") / name
    return ConfigError(
        f"the files of {name} are not there",
        fix=f"put {known.files} of {known.page} into {folder}, unpacked or as the archive, or set data.urls.{name} "
        f"(licence: {known.licence})",
    )


def is_own_form(path: Path, name: str) -> bool:
    """Is a file that is called like a log of ours one, and not that of the data set's makers?"""
    known = PUBLISHED.get(name)
    return known is None or not fnmatch(path.name, pattern(known)) or look(path).preset != known.preset


def _in_folder(name: str, known: Published, data: DataSettings) -> Path | None:
    folder = Path(data.folder) / name
    if not data.folder or not folder.is_dir():
        return None
    if any(each.is_file() and not is_archive(each) for each in folder.rglob(pattern(known))):
        return folder
    archives = sorted(each for each in folder.iterdir() if is_archive(each))
    if len(archives) > 1:
        raise ConfigError(
            f"{folder} has {len(archives)} archives and no {known.files}",
            fix="unpack them, or leave one of them",
        )
    return archives[0] if archives else None


def _is_plain(path: Path) -> bool:
    return path.is_file() and not is_archive(path)
