"""A standalone Spark cluster on loopback: a master, workers and a Thrift server that dbt talks to.

pyspark from the package index carries all of Spark but the scripts that start a cluster. So each
process is started here, with everything that it writes in one folder.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

HOST = "127.0.0.1"
START_SECONDS = 240
STOP_SECONDS = 20
DAEMON_MEMORY = "256m"  # a master's and a worker's own
THRIFT_MEMORY = "1g"  # Spark takes it for a daemon, too, and no --driver-memory
NO_SHUFFLE_OF_200 = 4  # partitions; Spark's default is 200, for terabytes


@dataclass
class SparkCluster:
    """A running cluster: where dbt and people find it.

    `processes` are those started here, by name; executors are children of the workers. `ui` is the
    root of the application's REST API, `/api/v1/applications`.
    """

    port: int
    ui: str
    folder: Path
    host: str = HOST
    processes: dict[str, int] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The settings with which dbt's profile `spark` finds the server."""
        return {"CONTACTS_SPARK_HOST": self.host, "CONTACTS_SPARK_PORT": str(self.port)}


@contextmanager
def spark_cluster(
    workers: int,
    cores: int = 1,
    memory: str = "1g",
    settings: Mapping[str, str] | None = None,
) -> Iterator[SparkCluster]:
    """Start a cluster, wait until it responds, and stop it at the end, whatever happens.

    Args:
        workers: how many processes work on a query.
        cores: of each worker.
        memory: of each worker's executor, as Java spells it.
        settings: of Spark, over those given here.

    Yields:
        The cluster, whose Thrift server has run a query and whose workers have all registered.

    Raises:
        RuntimeError: a process ended, or was not ready in time; its log's end is shown.
    """
    with TemporaryDirectory(prefix="spark-") as name, ExitStack() as stack:
        folder = Path(name)
        master, master_ui, port, ui = _free_ports(4)
        cluster = SparkCluster(port, f"http://{HOST}:{ui}", folder)
        starter = _Starter(cluster, stack)
        url = f"spark://{HOST}:{master}"
        starter.start(
            "master",
            "org.apache.spark.deploy.master.Master",
            *("--host", HOST, "--port", str(master), "--webui-port", str(master_ui)),
        )
        starter.wait_for("master", lambda: _alive_workers(master_ui) == 0)
        for number in range(workers):
            starter.start(
                f"worker-{number}",
                "org.apache.spark.deploy.worker.Worker",
                *("--host", HOST, "--port", "0", "--webui-port", "0"),
                *("--cores", str(cores), "--memory", memory),
                *("--work-dir", str(folder / "work"), url),
            )
        starter.wait_for("master", lambda: _alive_workers(master_ui) == workers)
        starter.start(
            "thrift",
            "org.apache.spark.deploy.SparkSubmit",
            *("--class", "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2"),
            *("--master", url, "--executor-memory", memory),
            *_options(folder, ui, settings or {}),
            "spark-internal",
            *("--hiveconf", f"hive.server2.thrift.bind.host={HOST}"),
            *("--hiveconf", f"hive.server2.thrift.port={port}"),
            memory=THRIFT_MEMORY,
        )
        starter.wait_for("thrift", lambda: _runs_queries(port))
        yield cluster


class _Starter:
    """Starts the processes of one cluster, which end with its stack."""

    def __init__(self, cluster: SparkCluster, stack: ExitStack) -> None:
        self.cluster = cluster
        self.stack = stack
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        spec = find_spec("pyspark")
        if spec is None or spec.origin is None:
            raise RuntimeError("pyspark is not installed: it carries Spark.")
        self.home = Path(spec.origin).parent

    def start(
        self, name: str, class_name: str, *arguments: str, memory: str = DAEMON_MEMORY
    ) -> None:
        """Start a process of Spark's."""
        folder = self.cluster.folder
        environment = os.environ | {
            "SPARK_HOME": str(self.home),
            "SPARK_CONF_DIR": str(folder),
            "SPARK_LOCAL_IP": HOST,
            "SPARK_LOCAL_DIRS": str(folder / "local"),
            "SPARK_DAEMON_MEMORY": memory,
            "SPARK_DAEMON_JAVA_OPTS": f"-Djava.io.tmpdir={folder}",
            "PYSPARK_PYTHON": sys.executable,
            "TZ": "UTC",
        }
        with (folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [str(self.home / "bin" / "spark-class"), class_name, *arguments],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # its group is itself and its children
            )
        self.stack.callback(_stop, process)
        self.running[name] = process
        self.cluster.processes[name] = process.pid

    def wait_for(self, name: str, is_ready: Callable[[], bool]) -> None:
        """Wait until a process is ready."""
        deadline = time.monotonic() + START_SECONDS
        while not is_ready():
            ended = [other for other, process in self.running.items() if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                log = (self.cluster.folder / f"{(ended or [name])[0]}.log").read_text()
                raise RuntimeError(f"Spark's {name} is not ready: {log[-2000:]}")
            time.sleep(0.3)


def _options(folder: Path, ui: int, settings: Mapping[str, str]) -> list[str]:
    """Return the options of the Thrift server: all that it writes is in the folder."""
    options = {
        "spark.driver.host": HOST,
        "spark.driver.bindAddress": HOST,
        "spark.ui.port": str(ui),
        "spark.sql.warehouse.dir": (folder / "warehouse").as_uri(),
        "spark.hadoop.javax.jdo.option.ConnectionURL": (
            f"jdbc:derby:;databaseName={folder / 'metastore'};create=true"
        ),
        "spark.driver.extraJavaOptions": f"-Dderby.system.home={folder} -Djava.io.tmpdir={folder}",
        "spark.sql.shuffle.partitions": str(NO_SHUFFLE_OF_200),
    }
    pairs = [f"{key}={value}" for key, value in (options | dict(settings)).items()]
    return [argument for pair in pairs for argument in ("--conf", pair)]


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server((HOST, 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in sockets]


def _alive_workers(port: int) -> int | None:
    """Return how many workers a master has; None while it does not respond."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/json/", timeout=5) as response:
            return int(json.load(response)["aliveworkers"])
    except (OSError, ValueError, KeyError):
        return None


def _runs_queries(port: int) -> bool:
    """Return whether a Thrift server runs a query."""
    from pyhive import exc, hive  # not installed but for tests of engines
    from thrift.Thrift import TException

    try:
        with (
            socket.create_connection((HOST, port), timeout=5),
            hive.connect(HOST, port, username="dbt") as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("select 1")
            return bool(cursor.fetchall())
    except (OSError, TException, exc.Error):
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop a process and its children."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # an executor that outlived its worker
