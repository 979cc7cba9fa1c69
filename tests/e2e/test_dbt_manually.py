"""dbt that is run manually where there is no warehouse."""

from pathlib import Path

from tests.support.dbt import Dbt


def test_dbt_without_a_warehouse_ends_at_once_and_names_make_elt(
    dbt: Dbt, project: Path, data_dir: Path
) -> None:
    """The data folder was removed, so `target/last_run` leads nowhere."""
    assert not (project / "target" / "last_run").exists()
    ended = dbt("test")
    assert ended.exit_code == 2
    assert "Traceback" not in ended.stdout + ended.stderr
    (line,) = (line for line in ended.stdout.splitlines() if "make elt" in line)
    assert f"There is no warehouse at {data_dir / 'warehouse.duckdb'}." in line
    assert not data_dir.exists()


def test_dbt_in_a_fresh_clone_ends_at_once_and_names_make_elt(dbt: Dbt, project: Path) -> None:
    """No run has made `target/last_run` yet."""
    (project / "target" / "last_run").unlink()
    ended = dbt("test")
    assert ended.exit_code == 2
    assert "make elt" in ended.stdout
