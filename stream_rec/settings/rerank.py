"""The branch of models that re-rank."""

from __future__ import annotations

from pydantic import Field

from stream_rec.settings.branch import Branch


class RerankSettings(Branch):
    """ONNX models that scenarios name (docs/onnx.md)."""

    url: str = Field(
        "",
        description="folder, or fsspec URL such as s3://bucket/folder, of the models that scenarios name (secret)",
    )
    options: dict[str, str] = Field(
        default_factory=dict, description="options of the URL's file system, e.g. key, secret (secret)"
    )
    max_model_bytes: int = Field(
        268_435_456, ge=1024, le=1 << 33, description="a larger file is not read as a model"
    )
    max_models: int = Field(
        8, ge=1, le=64, description="models in memory, at most; the one that was asked longest ago goes first"
    )
    threads: int = Field(1, ge=1, le=64, description="threads that a model computes with")
    retry_seconds: float = Field(
        30.0, ge=0.1, le=86_400, description="a model that could not be loaded is tried again after this long"
    )
    late_in_a_row: int = Field(
        3,
        ge=1,
        le=1_000_000,
        description="after so many slates in a row that had to go without it, a model rests",
    )
    rest_seconds: float = Field(
        1.0, ge=0, le=3600, description="a model that rests is not asked for this long"
    )
