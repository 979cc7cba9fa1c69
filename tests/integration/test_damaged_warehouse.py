"""A warehouse file that is damaged: both remedies are named, and work."""

from pathlib import Path

import pytest

from tests.support.builders import Load, leads, users
from tests.support.elt import Elt, Query


def damage(warehouse: Path, how: str) -> None:
    content = warehouse.read_bytes()
    match how:
        case "empty":
            warehouse.write_bytes(b"")
        case "cut":
            warehouse.write_bytes(content[: len(content) // 2])
        case "another file":
            warehouse.write_bytes(b"id,email\n1,ada@example.com\n" * 1000)
        case "flipped bytes":
            warehouse.write_bytes(content[:4200] + bytes(9000) + content[13200:])


@pytest.mark.parametrize("how", ["empty", "cut", "another file", "flipped bytes"])
def test_a_damaged_warehouse_is_reported_with_both_remedies(
    loaded: Load, elt: Elt, data_dir: Path, how: str
) -> None:
    loaded(leads(120), users(3))
    damage(data_dir / "warehouse.duckdb", how)
    for command in ("run", "check"):
        outcome = elt(command)
        assert outcome.exit_code == 1
        printed = outcome.stdout + outcome.stderr
        assert "The warehouse is damaged: " in printed
        assert "backup" in printed
        assert "move it" in printed
        assert str(data_dir) in printed
        assert len(outcome.stderr.splitlines()) == (1 if command == "run" else 0)


def test_a_backup_and_a_new_warehouse_both_work_after_damage(
    loaded: Load, elt: Elt, query: Query, data_dir: Path
) -> None:
    loaded(leads(120), users(3))
    warehouse, backup = data_dir / "warehouse.duckdb", data_dir / "backup"
    backup.write_bytes(warehouse.read_bytes())
    damage(warehouse, "cut")
    assert elt("run").exit_code == 1
    backup.replace(warehouse)
    assert elt("run").exit_code == 0
    damage(warehouse, "cut")
    assert elt("run").exit_code == 1
    warehouse.rename(data_dir / "moved_away")
    assert elt("run").exit_code == 0
    assert query("select count(*) from raw.leads") == [(120,)]
