"""Redirects are followed by a slash only: no other host or scheme may get the API key."""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from extract.sandbox.server import ApiServer, Reply
from tests.support.builders import Lists, at, leads, users
from tests.support.elt import API_KEY
from tests.support.servers import pages_asked
from tests.support.sync import Source


@pytest.mark.parametrize("page", [0, 2])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_server_sends_it_nothing(
    full_api: ApiServer, source: Source, waits: list[float], status: int, page: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        place = f"http://127.0.0.1:{other.getsockname()[1]}/v1/leads/list"
        reply = Reply(status, headers={"Location": f"{place}?page={page}"})
        full_api.fault = at(reply, page=page)
        synced = source.sync()
        other.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has ever connected
            other.accept()
    assert synced.exit_code == 1
    assert f"redirects {full_api.url}leads/list?" in synced.error
    assert f"to {place}: set [sources.analytics_api] base_url" in synced.error
    assert pages_asked(full_api).count(page) == 1
    assert waits == []


@pytest.mark.parametrize("location", ["/v1/users/list", "list", "?page=99", "//localhost/v1/", ""])
def test_a_relative_redirect_is_not_followed_either(
    full_api: ApiServer, source: Source, location: str
) -> None:
    full_api.fault = at(Reply(307, headers={"Location": location}))
    synced = source.sync()
    assert synced.exit_code == 1
    assert "redirects" in synced.error
    assert [(request.name, request.page) for request in full_api.requests] == [("leads", 0)]


class SlashServer(ApiServer):
    """An API that redirects each path without a slash at its end to the one with it."""

    status = 301
    location = "{path}/?{query}"
    redirects = 0

    def reply(self, target: str, headers: dict[str, str]) -> Reply:
        """Return the response to one GET request."""
        parts = urlsplit(target)
        if parts.path.endswith("/"):
            return super().reply(target.replace("/?", "?"), headers)
        self.redirects += 1
        place = self.location.format(path=parts.path, query=parts.query, root=self.url[:-4])
        return Reply(self.status, b"Moved.", headers={"Location": place})


@pytest.fixture
def slash_api(lists: Lists, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlashServer]:
    """The API with slashes at the end of its paths."""
    lists["leads"], lists["users"] = leads(200), users(60)
    with SlashServer(lambda: lists, API_KEY) as server:
        monkeypatch.setenv("SOURCES__ANALYTICS_API__BASE_URL", server.url)
        yield server


@pytest.mark.parametrize("max_in_flight", [1, 4])
@pytest.mark.parametrize(
    ("status", "location"),
    [
        *((status, "{path}/?{query}") for status in (301, 302, 307, 308)),
        (301, "{path}/"),
        (308, "list/"),
        (301, "{root}{path}/?{query}"),
    ],
)
def test_a_redirect_to_the_same_path_with_a_slash_is_followed_and_remembered(
    slash_api: SlashServer, source: Source, location: str, status: int, max_in_flight: int
) -> None:
    slash_api.location, slash_api.status = location, status
    synced = source.sync(max_in_flight=max_in_flight)
    assert synced.exit_code == 0, synced.error
    assert synced.ids() == list(range(1, 201))
    assert {0, 1, 2, 3, 4} <= set(pages_asked(slash_api))
    assert slash_api.redirects == 2, "one of each endpoint"


def test_a_redirect_back_to_the_path_without_a_slash_is_no_endless_loop(
    slash_api: SlashServer, source: Source
) -> None:
    slash_api.fault = at(Reply(301, headers={"Location": "/v1/leads/list"}))
    synced = source.sync()
    assert synced.exit_code == 1
    assert "redirects" in synced.error
    assert pages_asked(slash_api) == [0]


@pytest.mark.parametrize(
    "location",
    ["https://127.0.0.1:{port}{path}/", "http://localhost:{port}{path}/", "http://[::1{path}/"],
)
def test_a_slash_on_another_scheme_or_host_is_not_followed(
    slash_api: SlashServer, source: Source, location: str
) -> None:
    slash_api.location = location.replace("{port}", slash_api.url.split(":")[2].split("/")[0])
    synced = source.sync()
    assert synced.exit_code == 1
    assert "redirects" in synced.error
    assert slash_api.requests == []


@pytest.mark.parametrize(
    "location",
    [
        "https://accounts.example.com/login?next=%2Fv1",
        "https://example.com/users/sign_in",
        "https://sso.example.com/saml2/idp",
        "/Login",
        "/sign-in/",
    ],
)
def test_a_redirect_to_a_login_page_means_that_key_or_network_are_not_accepted(
    full_api: ApiServer, source: Source, waits: list[float], location: str
) -> None:
    full_api.fault = at(Reply(302, headers={"Location": location}), page=1)
    synced = source.sync()
    assert synced.exit_code == 1
    assert f"to {location.partition('?')[0]}, a login page" in synced.error
    assert "does not accept the API key, or not from this network" in synced.error
    assert "[sources.analytics_api] api_key" in synced.error
    assert "base_url" not in synced.error
    assert pages_asked(full_api) == [0, 1]
    assert waits == []


def test_a_redirect_to_another_host_names_each_possible_cause(
    full_api: ApiServer, source: Source
) -> None:
    full_api.fault = at(Reply(302, headers={"Location": "https://portal.example.com/welcome"}))
    error = source.sync().error
    assert "to https://portal.example.com/welcome: set [sources.analytics_api] base_url" in error
    assert "the API key or this network is not accepted" in error
