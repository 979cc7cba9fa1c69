"""Made-up contacts: about 3,000 over two years, deterministic by seed, and alive.

Each contact has a life drawn from its own random stream: it arrives through a channel as a lead or
signs up directly, is active for a while, may convert, vote, unsubscribe, change its e-mail or be
deleted. What the API would list at a moment is a pure function of seed and clock, so the world
needs no storage and moves on by itself between two runs.
"""

import math
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from extract.sandbox import vocabulary as words

START = datetime(2024, 11, 1, tzinfo=UTC)  # the first contact
ARRIVALS_PER_DAY = 2.2  # contacts a day at the start ...
ARRIVALS_GROWTH = 0.0052  # ... and how many more a day with every day
NEVER = datetime.max.replace(tzinfo=UTC)
Row = dict[str, Any]


def _now() -> datetime:
    return datetime.now(UTC)


class World:
    """The contacts of one made-up customer project.

    Args:
        seed: the same seed gives the same contacts.
        clock: returns the moment to show, an aware datetime; the present by default.
    """

    def __init__(self, seed: int = 7, clock: Callable[[], datetime] = _now) -> None:
        self.seed = seed
        self.clock = clock
        self._contacts: list[_Contact] = []
        self._shown: dict[str, Sequence[Row]] = {}
        self._shown_at: datetime | None = None

    def lists(self) -> dict[str, Sequence[Row]]:
        """Return what the API lists at this moment: `leads` and `users`, in no order."""
        now = self.clock().astimezone(UTC).replace(microsecond=0)
        if now != self._shown_at:
            self._shown, self._shown_at = self._at(now), now
        return self._shown

    def _at(self, now: datetime) -> dict[str, Sequence[Row]]:
        while _arrival_of(len(self._contacts)) <= now:
            self._contacts.append(_Contact(self.seed, len(self._contacts)))
        alive = [contact for contact in self._contacts if contact.arrived <= now < contact.deleted]
        return {
            "leads": [contact.lead(now) for contact in alive if now < contact.signed_up],
            "users": [contact.user(now) for contact in alive if now >= contact.signed_up],
        }


def _arrival_of(index: int) -> datetime:
    """When contact number `index` arrives: the inverse of a linearly growing daily rate."""
    rate, growth = ARRIVALS_PER_DAY, ARRIVALS_GROWTH
    return START + timedelta(days=(math.sqrt(rate**2 + 2 * growth * index) - rate) / growth)


class _Contact:
    """One contact's life: when what happens to it, and who it is."""

    def __init__(self, seed: int, index: int) -> None:
        draw = random.Random(f"{seed}:{index}")
        self.index = index
        self.contact_number = 5000 + 3 * index
        self.arrived = (_arrival_of(index) + timedelta(hours=draw.uniform(0, 6))).replace(
            microsecond=0
        )
        self.channel = draw.choices(words.CHANNELS, [c.weight for c in words.CHANNELS])[0]
        self.place = draw.choices(words.PLACES, [p.weight for p in words.PLACES])[0]
        self.campaign = draw.choice(self.channel.campaigns)
        self.system, self.browser = draw.choice(words.SYSTEMS), draw.choice(words.BROWSERS)
        self.role, self.colour = draw.choice(words.ROLES), draw.choice(words.COLOURS)
        self.name = f"{draw.choice(words.FIRST_NAMES)} {draw.choice(words.LAST_NAMES)}"
        self.domain = draw.choice(words.MAIL_DOMAINS)
        self._plan(draw)

    def _plan(self, draw: random.Random) -> None:
        self.was_lead = draw.random() > 0.15
        if not self.was_lead:
            self.signed_up = self.arrived
        elif draw.random() < self.channel.conversion_rate:
            self.signed_up = self._later(self.arrived, min(draw.lognormvariate(1.8, 1.1), 120))
        else:
            self.signed_up = NEVER
        becomes_user = self.signed_up != NEVER
        self.trial_ended = self._later(self.signed_up, 14) if becomes_user else NEVER
        self.active_until = self._later(
            self.signed_up if becomes_user else self.arrived,
            draw.expovariate(1 / 170) + 2 if becomes_user else draw.expovariate(1 / 6),
        )
        # days between two visits: users mostly some times a day, leads every few days
        self.visit_every = 1 / draw.lognormvariate(1.4 if becomes_user else -1.0, 0.9)
        if becomes_user and self.index % 20 == 0:
            # some live in the product, so that runs a minute apart differ
            self.visit_every = draw.uniform(1.5, 3) / 1440
        self.unsubscribed = self._maybe(draw, 0.12, 5, 200)
        self.bounced = self._maybe(draw, 0.03, 0, 30)
        self.marked_spam = self._maybe(draw, 0.01, 1, 60)
        self.deleted = self._maybe(draw, 0.04, 30, 500)
        self.renamed = self._maybe(draw, 0.04, 20, 300) if becomes_user else NEVER
        self.voted = self._maybe(draw, 0.3, 30, 90) if becomes_user else NEVER
        loyal = self.active_until > self._later(self.arrived, 150)
        self.vote = draw.choices(
            range(11),
            [1, 1, 1, 1, 1, 2, 2, 4, 5, 9, 9] if loyal else [1, 1, 1, 1, 2, 2, 3, 5, 6, 5, 4],
        )[0]
        # a direct user may get its contact id only later
        self.numbered = self.arrived if self.was_lead else self._maybe(draw, 0.5, 0, 20)
        if not self.was_lead and draw.random() < 0.9:
            self.numbered = self.arrived

    @staticmethod
    def _later(moment: datetime, days: float) -> datetime:
        return (moment + timedelta(days=days)).replace(microsecond=0)

    def _maybe(self, draw: random.Random, chance: float, first: float, last: float) -> datetime:
        """Return a moment `first` to `last` days after arrival, or never."""
        days = draw.uniform(first, last)
        return self._later(self.arrived, days) if draw.random() < chance else NEVER

    def _last_visit(self, now: datetime) -> datetime:
        elapsed = (min(now, self.active_until) - self.arrived) / timedelta(days=1)
        return self._later(self.arrived, max(0, elapsed // self.visit_every) * self.visit_every)

    def _email(self, now: datetime) -> str:
        handle = self.name.lower().replace(" ", ".").replace("'", "")
        return f"{handle}.{self.index}{'.new' if now >= self.renamed else ''}@{self.domain}"

    def _row(self, now: datetime) -> Row:
        visit = self._last_visit(now)
        page = words.PAGES[(visit.minute + self.index) % len(words.PAGES)]
        moments = (
            self.arrived, visit, self.signed_up, self.unsubscribed, self.bounced, self.marked_spam,
            self.renamed, self.voted, self.numbered, self.trial_ended, self.active_until,
        )  # fmt: skip
        place = self.place
        return {
            "crmhero_user_id": self.contact_number if now >= self.numbered else None,
            "email": self._email(now),
            "name": self.name,
            "is_user": int(now >= self.signed_up),
            "was_lead": int(self.was_lead),
            "first_seen_at": int(self.arrived.timestamp()),
            "last_activity": int(visit.timestamp()),
            "last_update": f"{max(at for at in moments if at <= now):%Y-%m-%d %H:%M:%S}",
            "os": self.system[0],
            "os_version": self.system[1],
            "browser_name": self.browser,
            "browser_language": place.language,
            "city": place.city,
            "region": place.region,
            "region_code": place.region_code,
            "country": place.country,
            "country_code": place.country_code,
            "continent": place.continent,
            "continent_code": place.continent_code,
            "latitude": place.latitude,
            "longitude": str(place.longitude) if self.index % 7 == 0 else place.longitude,
            "timezone": place.timezone,
            "postal_code": place.postal_code,
            "unsubscribe": int(now >= self.unsubscribed),
            "bounce": int(now >= self.bounced),
            "spam": int(now >= self.marked_spam),
            "utm_source": self.channel.source,
            "utm_medium": self.channel.medium,
            "utm_campaign": self.campaign,
            "utm_content": None,
            "utm_term": None,
            "referrer": self.channel.referrer,
            "last_page_viewed": f"https://example.com/{page}",
            "last_page_viewed_at": int(visit.timestamp()),
        }

    def lead(self, now: datetime) -> Row:
        """Return this contact's row in the leads list."""
        # an empty object, as PHP back ends encode it
        own: object = [] if self.index % 5 else {"favourite_colour": self.colour}
        return {**self._row(now), "attributes": own}

    def user(self, now: datetime) -> Row:
        """Return this contact's row in the users list."""
        created = int(self.signed_up.timestamp())
        trial = now < min(self.trial_ended, self.active_until)
        subscribed = not trial and now < self.active_until
        status = "trial" if trial else "active" if subscribed else "cancelled"
        account: Row = {
            "role": self.role,
            "username": self._email(now).split("@")[0],
            # a number, a number in quotes or a date, as the real API mixes them
            "create_date": (created, str(created), f"{self.signed_up:%Y-%m-%d %H:%M:%S}")[
                self.index % 3
            ],
            "sub_status": status,
            "sub_active": str(int(subscribed)) if self.index % 2 else int(subscribed),
            "ab_test": None,
            "ab_test_var": None,
            "initiated_checkout_at": None if trial else created + 14 * 86400,
        }
        own = {"favourite_colour": self.colour, "company_size": (self.index % 9 + 1) * 10}
        row = {
            **self._row(now),
            "user_id": f"u-{100000 + self.index}",
            "nps_vote": self.vote if now >= self.voted else None,
        }
        if self.index % 10 == 0:  # some projects send the account's fields at the top level
            return {**row, **account, "attributes": own}
        return {**row, "attributes": {**account, **own}}
