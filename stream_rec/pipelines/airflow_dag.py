"""The steps as an Airflow 3 DAG, run every night and when an alarm is raised. Needs the extra `airflow`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from airflow.providers.apache.kafka.triggers.await_message import AwaitMessageTrigger
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, AssetWatcher, CronTriggerTimetable, chain

from stream_rec.pipelines import alarms
from stream_rec.pipelines.steps import Plan, steps_of

NAME = "stream-rec-training"
ALARM = "stream-rec-alarm"
"""The asset that an alarm of the topic `control` updates."""


def training(
    plan: Plan,
    *,
    cron: str = "0 3 * * *",
    metrics: Collection[str] = alarms.METRICS,
    connection: str = "kafka_default",
    topic: str = "control",
) -> Any:
    """The DAG. At most one run at once, so alarms that come together train once more, not many times beside each other.

    Args:
        plan: what is trained.
        cron: when it runs without an alarm, UTC.
        metrics: whose alarms start it.
        connection: Airflow's connection to Kafka, whose extras are librdkafka's settings, `group.id` among them.
        topic: `control`, with the tenant's prefix.
    """
    watcher = AssetWatcher(name=ALARM, trigger=alarm_trigger(metrics, connection, topic))
    schedule = AssetOrTimeSchedule(
        timetable=CronTriggerTimetable(cron, timezone="UTC"), assets=[Asset(ALARM, watchers=[watcher])]
    )
    with DAG(NAME, schedule=schedule, catchup=False, max_active_runs=1, doc_md=__doc__) as dag:
        # Jinja would read braces of TOML.
        tasks = [
            BashOperator(task_id=step.name, bash_command=f"{{% raw %}}{step.shell}{{% endraw %}}")
            for step in steps_of(plan)
        ]
        chain(*tasks)
    return dag


def alarm_trigger(
    metrics: Collection[str] = alarms.METRICS, connection: str = "kafka_default", topic: str = "control"
) -> Any:
    """What waits for an alarm on `control`, in Airflow's triggerer. Arguments as `training`."""
    return AwaitMessageTrigger(
        topics=[topic],
        apply_function=f"{alarms.__name__}.{alarms.raised.__name__}",
        apply_function_kwargs={"metrics": sorted(metrics)},
        kafka_config_id=connection,
        # It sleeps so long after each message that is no alarm: with the default of 5 s, rules would hold an alarm up.
        poll_interval=0,
    )
