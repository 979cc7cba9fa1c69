"""Which errors of the API are about the API key, a rate limit, a firewall, or something else."""

import pytest

from extract.refusals import is_rate_limit, may_refuse_key, refuses_key
from extract.sandbox.server import ApiServer, Reply
from tests.support.builders import at, lead
from tests.support.elt import API_KEY
from tests.support.servers import pages_asked
from tests.support.sync import Source

ABOUT_KEY = [
    "The token you provided is invalid",
    "Unknown token",
    "Token does not exist",
    "The token could not be found",
    "Invalid authentication token",
    "Expired JWT token",
    "This token has now been revoked",
    "Access token not found.",
    "You must provide a valid header Authorization: Bearer <TOKEN>",
    "The access token is wrong",
    "Bearer token required",
    "Invalid token",
    "invalid_token",
    "InvalidToken",
    "EXPIRED TOKEN",
    "ExpiredTokenException",
    "This is a revoked token.",
    "Disabled token",
    "deactivated  token",
    "Invalid API token",
    "Token not found",
    "Your token has expired",
    "The token was revoked.",
    "Token is invalid",
    "token has been deactivated",
    "The token is no longer valid",
    "JSON Web Token expired",
    "Invalid access token: unexpected token",
]
NOT_ABOUT_KEY = [
    "parse error: invalid token near 'x'",
    "unexpected invalid token",
    "",
    "Unexpected token '<', is not valid JSON",
    "unexpected  TOKEN",
    "Invalid token '<' in JSON at position 0",
    "Illegal token",
    "Token bucket is empty",
    "access token-bucket exhausted",
    "Rate limit of this access token exceeded",
    "CSRF token expired",
    "Invalid page token",
    "invalid tokenizer",
    "Internal error",
    "access denied",
]


@pytest.mark.parametrize("message", ABOUT_KEY)
def test_an_error_about_the_token_is_about_the_api_key(message: str) -> None:
    assert refuses_key(message)


@pytest.mark.parametrize("message", NOT_ABOUT_KEY)
def test_an_error_about_another_token_is_not_about_the_api_key(message: str) -> None:
    assert not refuses_key(message)
    assert not may_refuse_key(message)


@pytest.mark.parametrize("message", ["No token given", "token: none", "Tokens cannot be checked"])
def test_an_error_that_mentions_a_token_may_be_about_the_api_key(message: str) -> None:
    assert may_refuse_key(message)
    assert not refuses_key(message)


@pytest.mark.parametrize(
    "message",
    [
        "API rate limit exceeded for 10.0.0.1.",
        "rate-limited",
        "RateLimitExceeded",
        "Too many requests",
        "Request was throttled.",
        "Daily quota used up",
        "Token bucket empty",
        "You have exceeded your hourly limit",
        "Limit reached",
        "More than 15 requests per minute",
    ],
)
def test_an_error_about_too_many_requests_is_a_rate_limit(message: str) -> None:
    assert is_rate_limit(message)


@pytest.mark.parametrize("message", ["", "Forbidden", "Access token not found.", "Unlimited"])
def test_another_error_is_no_rate_limit(message: str) -> None:
    assert not is_rate_limit(message)


REFUSED = {
    "error as an object": Reply.of_json({"error": {"message": "Invalid token"}}, 400),
    "error as a text": Reply.of_json({"error": "Token not found"}, 404),
    "message": Reply.of_json({"message": "The token has expired"}, 422),
    "errors": Reply.of_json({"errors": [{"detail": "Revoked token"}]}, 500),
    "OAuth": Reply.of_json({"error": "x", "error_description": "Expired token"}, 503),
    "text": Reply(502, b"Access token not found."),
    "message as 200": Reply.of_json({"message": "Disabled token", "data": None}),
    "error beside rows": Reply.of_json({"error": "Expired token", "data": {"leads": [lead(1)]}}),
    "401 without JSON": Reply(401, b"<html>No</html>", content_type="text/html"),
    "401 of a rate limit": Reply.of_json({"error": "Too many requests"}, 401),
    "403 with any JSON": Reply.of_json({"error": {"code": 7}}, 403),
    "403 as a text of JSON": Reply.of_json("Forbidden", 403),
}


@pytest.mark.parametrize("reply", REFUSED.values(), ids=REFUSED)
def test_a_refused_api_key_ends_the_sync_with_the_reason_and_the_setting(
    full_api: ApiServer, source: Source, waits: list[float], reply: Reply
) -> None:
    full_api.fault = at(reply, page=1)
    synced = source.sync()
    assert synced.exit_code == 2, synced.error
    assert f"The API refused the key (HTTP {reply.status}" in synced.error
    assert "[sources.analytics_api] api_key" in synced.error
    assert "deactivated together with the account of the person who created them" in synced.error
    assert pages_asked(full_api) == [0, 1]
    assert waits == []


def test_the_message_of_a_refused_api_key_is_the_apis_own(
    full_api: ApiServer, source: Source
) -> None:
    full_api.fault = at(
        Reply.of_json({"error": {"message": f"No {API_KEY} here.", "code": 0}}, 401)
    )
    assert "page=0): No *** here. No more data is loaded until" in source.sync().error


LIMITS = {
    "429 about a token": (429, {"error": {"message": "Access token not found."}}),
    "403 in JSON": (403, {"error": {"message": "API rate limit exceeded", "code": 7}}),
    "403 in another field": (403, {"message": "Too many requests"}),
    "503 about a token's limit": (503, {"error": "Rate limit of this access token exceeded"}),
}


@pytest.mark.parametrize(("status", "payload"), LIMITS.values(), ids=LIMITS)
def test_a_rate_limit_is_retried_and_never_a_refused_api_key(
    full_api: ApiServer, source: Source, waits: list[float], status: int, payload: object
) -> None:
    full_api.fault = at(Reply.of_json(payload, status), page=1, times=2)
    assert source.sync().exit_code == 0
    assert len(waits) >= 2
    full_api.fault = at(Reply.of_json(payload, status))
    failed = source.sync()
    assert failed.exit_code == 1
    assert f"is HTTP {status}" in failed.error
    assert "api_key" not in failed.error


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE html><html><head><title>Attention Required! | CDN</title></head>Access token",
        b"<html><body>Invalid token. Too many requests.</body></html>",
    ],
)
def test_a_403_with_a_page_for_browsers_is_a_firewall_or_proxy(
    full_api: ApiServer, source: Source, waits: list[float], body: bytes
) -> None:
    full_api.fault = at(Reply(403, body, content_type="text/html"), page=1)
    synced = source.sync()
    assert synced.exit_code == 1
    assert "is HTTP 403: an HTML page" in synced.error
    assert "A firewall or a proxy before the API denies the request" in synced.error
    assert "end_of_list" not in synced.error
    assert "api_key" not in synced.error
    assert waits == []


@pytest.mark.parametrize("body", [b"Forbidden", b"", b"\x8b\x02\x80\xff"])
def test_a_403_without_json_or_page_is_reported_with_each_possible_cause(
    full_api: ApiServer, source: Source, waits: list[float], body: bytes
) -> None:
    full_api.fault = at(Reply(403, body, content_type="text/plain"))
    synced = source.sync()
    assert synced.exit_code == 1
    assert "The API, or a firewall or a proxy before it, denies the request" in synced.error
    assert "api_key" in synced.error
    assert waits == []


@pytest.mark.parametrize(("status", "attempts"), [(400, 1), (500, 4), (503, 4)])
def test_a_failure_that_mentions_a_token_names_the_api_key_as_a_possible_cause(
    full_api: ApiServer, source: Source, status: int, attempts: int
) -> None:
    full_api.fault = at(Reply.of_json({"error": {"message": "No token given."}}, status))
    synced = source.sync()
    assert synced.exit_code == 1
    assert pages_asked(full_api) == [0] * attempts
    assert "the API key may be the cause: check [sources.analytics_api] api_key" in synced.error


@pytest.mark.parametrize("message", ["Unexpected token '<' in JSON at position 0", "Token bucket"])
def test_a_failure_about_another_token_does_not_name_the_api_key(
    full_api: ApiServer, source: Source, message: str
) -> None:
    full_api.fault = at(Reply.of_json({"error": {"message": message}}, 500))
    synced = source.sync()
    assert pages_asked(full_api) == [0, 0, 0, 0]
    assert "api_key" not in synced.error


def test_rows_about_tokens_are_never_a_refused_api_key(api: ApiServer, source: Source) -> None:
    text = "Access token not found. Rate limit exceeded."
    rows = [lead(1, name=text, error=text, message=text, attributes={"error": text})]
    page = {"data": {"leads": rows}, "message": text, "errors": [text]}
    api.fault = at(Reply.of_json(page))
    synced = source.sync()
    assert synced.ids() == [1], "a page has a list and no error"
    for status, problem in ((200, "has no list at data.leads"), (400, "is HTTP 400")):
        api.fault = at(Reply.of_json({"data": {"users": rows}}, status))
        synced = source.sync()
        assert synced.exit_code == 1
        assert f"{problem}: {{data: {{users: list of 1}}}}" in synced.error
        assert "api_key" not in synced.error


def test_an_error_beside_rows_can_be_a_refused_api_key(api: ApiServer, source: Source) -> None:
    page = {"data": {"leads": [lead(1)]}, "message": "Access token not found."}
    api.fault = at(Reply.of_json(page, 500))
    assert source.sync().exit_code == 2
