"""What the steps find in a cluster: the objects of deploy/batch, by their names there."""

from __future__ import annotations

CONFIG_MAP, SECRET, CLAIM = "stream-rec-batch", "stream-rec", "stream-rec-log"
SETTINGS = (
    "STREAM_REC__BUS__BOOTSTRAP",
    "STREAM_REC__BUS__GROUP",
    "STREAM_REC__BUS__PARTITIONS",
    "STREAM_REC__BUS__REPLICATION",
    "STREAM_REC__BUS__SECURITY__SECURITY_PROTOCOL",
    "STREAM_REC__BUS__SECURITY__SASL_MECHANISMS",
    "STREAM_REC__BUS__SECURITY__SASL_USERNAME",
    "STREAM_REC__BUS__SECURITY__SSL_CA_LOCATION",
    "STREAM_REC__STORE__URL",
    "STREAM_REC__STORE__USERNAME",
    "STREAM_REC__STORE__CA_FILE",
    "STREAM_REC__SINK__URL",
)
"""Keys of the ConfigMap, which are names of the environment."""
PASSWORDS = {
    "kafka-password": "STREAM_REC__BUS__SECURITY__SASL_PASSWORD",
    "redis-password": "STREAM_REC__STORE__PASSWORD",
}
"""Keys of the Secret, and their names in the environment."""
AUTHORITIES = "/etc/stream-rec/tls"
"""Folder of the Secret's files."""
LOG = "/var/lib/stream-rec/log"
"""Folder of the sink."""
