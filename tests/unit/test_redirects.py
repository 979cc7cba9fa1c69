"""Redirects are never followed: another server must not get the API key."""

import socket

import pytest

from extract.sandbox.server import ApiServer, Reply
from tests.support.builders import at
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
