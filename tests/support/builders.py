"""Rows as the API sends them, and faults that an API can have: every row of its failure table."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from extract.sandbox.server import NO_KEY, WRONG_KEY, Fault, ListRequest, Reply

Row = dict[str, Any]
Lists = dict[str, list[Row]]
Load = Callable[[list[Row], list[Row]], None]  # the fixture `loaded`
NEWEST = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


def moment(minutes_before: float = 0) -> str:
    """Return a `last_update` so many minutes before the newest one."""
    return f"{NEWEST - timedelta(minutes=minutes_before):%Y-%m-%d %H:%M:%S}"


def lead(number: int | None, minutes_before: float = 0, **fields: Any) -> Row:
    """Return a row of the leads list."""
    return {
        "crmhero_user_id": number,
        "email": f"lead{number}@example.com",
        "is_user": 0,
        "last_update": moment(minutes_before),
        "attributes": {"favourite_colour": "teal"},
        **fields,
    }


def user(user_id: str | None, number: int | None, minutes_before: float = 0, **fields: Any) -> Row:
    """Return a row of the users list."""
    return {
        "user_id": user_id,
        "crmhero_user_id": number,
        "email": f"{user_id}@example.com",
        "is_user": 1,
        "was_lead": 0,
        "last_update": moment(minutes_before),
        "attributes": [],
        **fields,
    }


def leads(count: int) -> list[Row]:
    """Return leads that were last updated a minute apart, number 1 first."""
    return [lead(number, minutes_before=number) for number in range(1, count + 1)]


def users(count: int) -> list[Row]:
    """Return users that were last updated a minute apart, number 1 first."""
    return [user(f"u{number}", 100_000 + number, number) for number in range(1, count + 1)]


def listing(pages: list[list[Any]], name: str = "leads") -> Fault:
    """Return a fault that lists these pages of one list, in no order, and then its end."""

    def fault(request: ListRequest) -> Reply | None:
        if request.name != name:
            return None
        rows = pages[request.page] if request.page < len(pages) else []
        return Reply.of_json({"data": {name: rows}})

    return fault


def at(
    reply: Reply | Callable[[ListRequest], Reply | None],
    name: str = "leads",
    page: int = 0,
    times: int | None = None,
) -> Fault:
    """Return a fault on one page of one list, for its first `times` requests or for ever."""

    def fault(request: ListRequest) -> Reply | None:
        if (request.name, request.page) != (name, page) or (times and request.attempt > times):
            return None
        return reply(request) if callable(reply) else reply

    return fault


REFUSALS = {
    "500 token not found": Reply.of_json(WRONG_KEY, 500),
    "500 no header": Reply.of_json(NO_KEY, 500),
    "401": Reply.of_json({"error": {"message": "no", "code": 0}}, 401),
    "403 in JSON": Reply.of_json({"message": "Forbidden"}, 403),
    "refusal dressed as 200": Reply.of_json(WRONG_KEY),
}
NO_LIST = {
    "error dressed as 200": Reply.of_json({"error": {"message": "Try later.", "code": 7}}),
    "error beside an empty list": Reply.of_json(
        {"error": {"message": "Try later."}, "data": {"leads": []}}
    ),
    "empty error beside an empty list": Reply.of_json({"error": {}, "data": {"leads": []}}),
    "empty object": Reply.of_json({}),
    "data without the list": Reply.of_json({"data": {"users": []}}),
    "data as a list": Reply.of_json({"data": []}),
    "null in the list's place": Reply.of_json({"data": {"leads": None}}),
    "object in the list's place": Reply.of_json({"data": {"leads": {}}}),
    "a list": Reply.of_json([]),
    "null": Reply.of_json(None),
}
_BODY = b'{"data": {"leads": [{"crmhero_user_id": 1, "email": "lead1@exam'
PASSING = {
    **{str(code): Reply.of_json({"error": {}}, code) for code in (500, 502, 503, 504)},
    "408": Reply(408),
    "425": Reply(425, b"Too early."),
    **{
        str(code): Reply(code, b"<html>A CDN.</html>", content_type="text/html")
        for code in (520, 521, 522, 523, 524, 529)
    },
    "connection reset": Reply(reset=True),
    "body shorter than announced": Reply(200, _BODY + b'ple.com"}]}}', cut_at=len(_BODY)),
    "JSON that breaks off": Reply(200, _BODY),
}
RATE_LIMITED = {
    "403 of a rate limit": Reply(403, b"Rate limit exceeded."),
    "429": Reply.of_json({"error": {}}, 429),
    "429, back in 5 seconds": Reply.of_json({}, 429, Retry_After="5"),
}
FINAL = {
    "400": Reply.of_json({"error": {"message": "Bad parameter."}}, 400),
    "403 in HTML": Reply(403, b"<html>Forbidden</html>", content_type="text/html"),
    "403 in text": Reply(403, b"Forbidden"),
    "404 in HTML": Reply(404, b"<html>Not found</html>", content_type="text/html"),
    "422": Reply(422, b"Bad parameter."),
    "HTML dressed as 200": Reply(200, b"<html>Bad parameter.</html>", content_type="text/html"),
    "nothing": Reply(200, b""),
}
