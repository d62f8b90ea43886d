"""What needs Spark is collected where there is Spark: `make batch-test`."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("pyspark") else ["test_demo.py", "test_train.py"]
