"""stream_rec: streaming recommendations over Kafka and Redis."""

__version__ = "0.1.0"
