"""The log as Parquet files: every record once, by file names that say which offsets they hold (docs/sink.md)."""
