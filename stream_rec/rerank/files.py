"""Files of models: read whole, and only if they are what the scenario says."""

from __future__ import annotations

from hashlib import sha256

from stream_rec import filesystem
from stream_rec.errors import ConfigError
from stream_rec.filesystem import translated
from stream_rec.schemas.scenario import Rerank
from stream_rec.settings import RerankSettings


def read(rerank: Rerank, settings: RerankSettings) -> bytes:
    """The file that a scenario names.

    Raises:
        ConfigError: no folder is set, or there is no such file in it, or it is too large, or another one than the
            scenario means.
        Unavailable: the file system refuses or does not answer.
    """
    if not settings.url:
        raise ConfigError(
            "there is no folder of models", fix="set rerank.url to a folder or an fsspec URL, on every worker"
        )
    fs, root = filesystem.opened(settings.url, settings.options, "rerank")
    with translated("rerank"):
        try:
            with fs.open(f"{root}/{rerank.model}", "rb") as file:
                data = bytes(file.read(settings.max_model_bytes + 1))
        except (FileNotFoundError, IsADirectoryError) as error:
            raise ConfigError(f"there is no file {rerank.model} in rerank.url", fix="put it there") from error
    if len(data) > settings.max_model_bytes:
        raise ConfigError(
            f"it has more than {settings.max_model_bytes:,} bytes", fix="raise rerank.max_model_bytes"
        )
    found = sha256(data).hexdigest()
    if found != rerank.sha256:
        raise ConfigError(
            f"its sha256 is {found}, and the scenario says {rerank.sha256}",
            fix="put the file there that was meant, or apply the scenario with the new hash",
        )
    return data
