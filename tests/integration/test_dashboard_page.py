"""The dashboard's HTML without a browser, and what it needs to be drawn."""

import importlib.util
import re
import subprocess
import sys

import duckdb
import pytest

from publish import dashboard
from publish.dashboard import is_installed  # as it is, before tests turn it off
from tests.support.browser import Render
from tests.support.published import Change


def test_the_page_may_load_and_send_nothing(html: str) -> None:
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe-eval" not in policy
    assert re.search(r"script-src( 'sha256-[\w+/]+=')+$", policy)


def test_a_resource_that_was_never_read_leaves_the_age_unknown(
    changed: Change, render: Render
) -> None:
    html = render(changed("update published set data_as_of = null"))
    assert "When the data was read is not known." in html


def test_page_holds_no_value_of_a_person(html: str, marts: duckdb.DuckDBPyConnection) -> None:
    rows = marts.execute(
        "select email, full_name, username, city, utm_campaign, referrer, last_page_viewed_url "
        "from dim_contacts"
    ).fetchall()
    words = {value for row in rows for value in row if value and len(value) > 3}
    data = html[html.index('id="data">') : html.index("<script>")]
    assert [word for word in words if f'"{word}"' in data] == []
    assert "@" not in data


def test_importing_the_package_does_not_import_altair() -> None:
    code = "import sys, publish.dashboard; sys.exit('altair' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("missing", dashboard.EXTRA)
def test_dashboard_is_not_installed_without_its_packages(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_installed()
    found = importlib.util.find_spec
    monkeypatch.setattr(
        dashboard, "find_spec", lambda name: None if name == missing else found(name)
    )
    assert not is_installed()
