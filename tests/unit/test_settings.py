"""Settings of the source: where the API is, its API key, and values that cannot work."""

import tomllib

import pytest

from extract import settings
from extract.client import api_root
from extract.errors import SettingsError
from extract.pipeline import configured_base_url
from extract.sandbox.server import ApiServer
from tests.support.elt import SETTINGS
from tests.support.sync import Source

URL = "SOURCES__ANALYTICS_API__BASE_URL"


@pytest.mark.parametrize(
    "base_url",
    [
        "http://api.example.com/v1/",
        "http://10.0.0.7/v1/",
        "api.example.com/v1",
        "ftp://api.example.com/",
        "https://",
        "https://user:secret@api.example.com/v1/",
        "https://api.example.com/v1/?key=secret",
        "https://api.example.com/v1/#secret",
        "api.example.com/v1/?key=secret",
        "https://api.example.com/v1/?",
        "https://api.example.com:abc/",
        "https://[::1",
        "http://[::1]:99999/",
        "https://exa mple.com/",
        "https://.com/",
        "https://a..b/",
        "5",
    ],
)
def test_a_base_url_that_is_none_or_would_leak_is_refused_unseen(
    monkeypatch: pytest.MonkeyPatch, base_url: str
) -> None:
    monkeypatch.setenv(URL, base_url)
    with pytest.raises(SettingsError, match="base_url") as refused:
        configured_base_url()
    assert refused.value.exit_code == 2
    assert "secret" not in str(refused.value)


def test_the_source_refuses_such_a_base_url_itself(source: Source) -> None:
    synced = source.sync(base_url="http://api.example.com/v1/")
    assert synced.exit_code == 2
    assert "base_url" in synced.error


def test_the_error_for_plain_http_over_a_network_gives_the_reason() -> None:
    with pytest.raises(SettingsError, match=r"unencrypted.*https://api\.example\.com/v1/"):
        api_root("http://api.example.com/v1")


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "127.8.9.1:80", "[::1]:8080"])
def test_plain_http_is_fine_on_this_machine(host: str) -> None:
    assert api_root(f"http://{host}/v1") == f"http://{host}/v1/"


def test_the_last_slash_and_blanks_around_base_url_do_not_matter() -> None:
    for base_url in ("https://api.example.com/v1", "https://api.example.com/v1//"):
        assert api_root(base_url) == "https://api.example.com/v1/"
    assert api_root(" https://api.example.com/v1/ ") == "https://api.example.com/v1/"


def test_the_source_takes_base_url_with_or_without_the_last_slash(
    full_api: ApiServer, source: Source
) -> None:
    assert len(source.sync(base_url=full_api.url.rstrip("/")).ids()) == 200


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_does_not_stand_before_loopback(
    full_api: ApiServer, source: Source, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "")
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert source.sync().exit_code == 0


@pytest.mark.parametrize("api_key", ["two\nlines", "with blank", "curly“quote", "nul\x01"])
def test_an_api_key_that_no_header_can_carry_is_refused_unseen(
    full_api: ApiServer, source: Source, monkeypatch: pytest.MonkeyPatch, api_key: str
) -> None:
    monkeypatch.setenv("SOURCES__ANALYTICS_API__API_KEY", api_key)
    synced = source.sync()
    assert synced.exit_code == 2
    assert api_key not in synced.error
    assert "api_key" in synced.error
    assert full_api.requests == []


def test_blanks_around_an_api_key_do_not_matter(
    full_api: ApiServer, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__ANALYTICS_API__API_KEY", f" {full_api.api_key}\n")
    assert source.sync().exit_code == 0


def test_a_plain_top_level_api_key_is_found(
    api: ApiServer, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCES__ANALYTICS_API__API_KEY")
    monkeypatch.setenv("API_KEY", api.api_key)
    assert source.sync().exit_code == 0


def test_the_error_for_a_missing_api_key_names_where_to_set_it(
    api: ApiServer, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCES__ANALYTICS_API__API_KEY")
    synced = source.sync()
    assert synced.exit_code == 2
    assert ".dlt/secrets.toml" in synced.error
    assert "SOURCES__ANALYTICS_API__API_KEY" in synced.error


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PAGE_SIZE", "0"),
        ("PAGE_SIZE", "many"),
        ("LAG_SECONDS", "-1"),
        ("END_OF_LIST", "never"),
        ("FIRST_PAGE", "one"),
        ("MAX_IN_FLIGHT", "0"),
        ("MAX_IN_FLIGHT", "-1"),
        ("MAX_IN_FLIGHT", "many"),
    ],
)
def test_the_error_for_a_setting_that_cannot_work_names_it(
    full_api: ApiServer, source: Source, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"SOURCES__ANALYTICS_API__{name}", value)
    synced = source.sync()
    assert synced.exit_code == 2
    assert name.lower() in synced.error
    assert full_api.requests == []


def test_tests_set_all_settings_of_the_project() -> None:
    config = tomllib.loads((settings.ROOT / ".dlt" / "config.toml").read_text())
    found = {
        *(f"SOURCES__ANALYTICS_API__{name.upper()}" for name in config["sources"]["analytics_api"]),
        *(f"ELT__{name.upper()}" for name in config["elt"].keys() - {"data_dir"}),
    }
    assert found <= set(SETTINGS)
