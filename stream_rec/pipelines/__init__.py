"""The nightly training as a pipeline: its steps are our commands, run by Kubeflow or by Airflow (docs/pipelines.md)."""
