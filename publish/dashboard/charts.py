"""The charts of the dashboard: what each shows, and in which words.

A chart's rows are those of its query for the chosen period and channel, added up by its keys.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from publish.dashboard.drawing import Column, bars, heat_map, lines

COUNT = ",d"
SHARE = ".1%"
SCORE = "+,.0f"

MONTH = Column("month_name", "Month")
LEADS = Column("leads", "Leads", COUNT)
CONVERSIONS = Column("conversions", "Converted", COUNT)
WITH_EMAIL = Column("with_email", "With an address", COUNT)
MONTHLY = ["month_start", "month_name", "is_final"]
WHOLE_MONTHS = "Months are shown whole."


HEADLINE = [
    {
        "name": "contacts",
        "title": "Contacts",
        "about": "All that exist now. New: first heard of in the period.",
    },
    {
        "name": "users",
        "title": "Users",
        "about": "Contacts that have signed up. New: signed up in the period.",
    },
    {
        "name": "conversion-rate",
        "title": "Conversion rate",
        "about": "Of all leads up to the last day, those converted by then.",
    },
    {
        "name": "active",
        "title": "Active in 30 days",
        "about": "Contacts whose last activity is on one of the last 30 days. Whoever was active "
        "later counts as active before, so they grew by so many at least.",
    },
]


@dataclass(frozen=True)
class Chart:
    """A chart with its table and its words.

    Args:
        query: name of its query.
        title: its heading.
        summary: a sentence about all that is shown; `{field}` is what the field adds up to.
        about: what counts, and which filter does not apply.
        keys: fields that tell its rows apart; those that are neither keys nor filters are added up.
        order: field to sort the rows by; the largest first after a minus.
        columns: of its table.
        picture: its Vega-Lite specification.
        rates: part and whole to divide after adding up, by the name of the share.
        compares_channels: whether all channels are shown, whichever is chosen.
        is_wide: whether it takes the page's whole width.
    """

    query: str
    title: str
    summary: str
    about: str
    keys: Sequence[str]
    order: str
    columns: Sequence[Column]
    picture: dict[str, Any]
    rates: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    compares_channels: bool = False
    is_wide: bool = False


def charts(usual_days_to_convert: int | None) -> list[Chart]:
    """Return the charts in the page's order.

    Args:
        usual_days_to_convert: within which nine of ten conversions came; None without one.
    """
    return [
        _growth(),
        _cohorts(usual_days_to_convert),
        _channels(),
        _countries(),
        _nps(),
        _reachable(),
        _losses(),
        _retention(),
    ]


def _growth() -> Chart:
    leads = Column("new_leads", "New leads", COUNT)
    users = Column("new_users", "New users", COUNT)
    columns = [Column("step", "Time"), leads, users]
    return Chart(
        query="growth",
        title="New leads and users",
        summary="{new_leads} new leads and {new_users} new users.",
        about="Leads by first contact, users by signing up. A lead that signs up counts in both. "
        "Hollow: not over yet.",
        keys=["started_on", "step", "is_final"],
        order="started_on",
        columns=columns,
        picture=lines("started_on", [leads, users], columns, is_monthly=False),
        is_wide=True,
    )


def _cohorts(usual_days_to_convert: int | None) -> Chart:
    rate = Column("conversion_rate", "Conversion rate", SHARE)
    columns = [MONTH, LEADS, CONVERSIONS, rate]
    young = (
        f"Hollow: still converting, as one of ten conversions takes over {usual_days_to_convert} "
        "days. "
        if usual_days_to_convert is not None
        else ""
    )
    return Chart(
        query="cohorts",
        title="Conversion by cohort",
        summary="{conversions} of {leads} leads have converted, {conversion_rate}.",
        about="Share of a month's new leads that have become users by now. Young cohorts have had "
        f"less time. {young}{WHOLE_MONTHS}",
        keys=MONTHLY,
        order="month_start",
        columns=columns,
        picture=lines("month_start", [rate], columns),
        rates={"conversion_rate": ("conversions", "leads")},
    )


def _channels() -> Chart:
    rate = Column("conversion_rate", "Conversion rate", SHARE)
    columns = [Column("channel", "Channel"), LEADS, CONVERSIONS, rate]
    return Chart(
        query="leads",
        title="Channels",
        summary="{conversions} of {leads} leads from all channels have converted, "
        "{conversion_rate}.",
        about="Leads first heard of in the period, and those converted by now, by source / medium. "
        "The channel filter does not apply here; it points out the chosen one.",
        keys=["channel"],
        order="-leads",
        columns=columns,
        picture=bars("channel", LEADS, CONVERSIONS, rate, columns),
        rates={"conversion_rate": ("conversions", "leads")},
        compares_channels=True,
    )


def _countries() -> Chart:
    contacts = Column("contacts", "Contacts", COUNT)
    active = Column("active", "Active", COUNT)
    share = Column("active_share", "Active share", SHARE)
    columns = [Column("country", "Country"), contacts, active, share]
    return Chart(
        query="countries",
        title="Countries",
        summary="{active} of {contacts} contacts are active, {active_share}.",
        about="All contacts that exist now, and those active in the last 30 days. The period does "
        "not apply here.",
        keys=["country"],
        order="-contacts",
        columns=columns,
        picture=bars("country", contacts, active, share, columns),
        rates={"active_share": ("active", "contacts")},
    )


def _nps() -> Chart:
    score = Column("score", "Score", SCORE)
    votes = Column("votes", "Votes", COUNT)
    columns = [
        MONTH,
        votes,
        Column("promoters", "Promoters", COUNT),
        Column("passives", "Passives", COUNT),
        Column("detractors", "Detractors", COUNT),
        score,
    ]
    return Chart(
        query="nps",
        title="Net promoter score",
        summary="{score} from {votes} votes.",
        about="Per cent of promoters (9, 10) less per cent of detractors (0 to 6), by month of the "
        f"vote. Larger points: more votes. Hollow: not over yet. {WHOLE_MONTHS}",
        keys=MONTHLY,
        order="month_start",
        columns=columns,
        picture=lines("month_start", [score], columns, size="votes", domain=(-100, 100)),
        rates={"score": ("points", "votes")},
    )


def _reachable() -> Chart:
    share = Column("reachable_share", "Reachable share", SHARE)
    columns = [MONTH, WITH_EMAIL, Column("reachable", "Reachable", COUNT), share]
    return Chart(
        query="email",
        title="Reachable by e-mail",
        summary="{reachable} of {with_email} contacts with an address, {reachable_share}.",
        about="By month of first contact, as it is now: has not unsubscribed, bounced or marked an "
        f"e-mail as spam. Hollow: not over yet. {WHOLE_MONTHS}",
        keys=MONTHLY,
        order="month_start",
        columns=columns,
        picture=lines("month_start", [share], columns),
        rates={"reachable_share": ("reachable", "with_email")},
    )


def _losses() -> Chart:
    shares = [
        Column("unsubscribed_share", "Unsubscribed", SHARE),
        Column("bounced_share", "Bounced", SHARE),
        Column("spam_share", "Spam", SHARE),
    ]
    columns = [MONTH, WITH_EMAIL, *shares]
    return Chart(
        query="email",
        title="Lost to e-mail",
        summary="{unsubscribed_share} unsubscribed, {bounced_share} bounced, {spam_share} marked "
        "an e-mail as spam.",
        about="Shares of the contacts with an address, by month of first contact. One contact can "
        f"be in several. Hollow: not over yet. {WHOLE_MONTHS}",
        keys=MONTHLY,
        order="month_start",
        columns=columns,
        picture=lines("month_start", shares, columns),
        rates={
            "unsubscribed_share": ("unsubscribed", "with_email"),
            "bounced_share": ("bounced", "with_email"),
            "spam_share": ("marked_as_spam", "with_email"),
        },
    )


def _retention() -> Chart:
    share = Column("retention_rate", "Still active", SHARE)
    month = Column("month_name", "Signed up")
    since = Column("months_since", "Months since signing up", COUNT)
    columns = [
        month,
        since,
        Column("cohort_users", "Users", COUNT),
        Column("active_users", "Active then or later", COUNT),
        share,
    ]
    return Chart(
        query="retention",
        title="Retention",
        summary="{after_a_month} of the users were still active in the month after signing up.",
        about="Per cent of the users who signed up in a month that were active so many months "
        "later. Only the last activity of a user is known: whoever was active later counts as "
        f"active before. Only months that are over, up to a year. {WHOLE_MONTHS}",
        keys=["signup_month", "month_name", "months_since"],
        order="signup_month",
        columns=columns,
        picture=heat_map(since, month, share, columns),
        rates={
            "retention_rate": ("active_users", "cohort_users"),
            "after_a_month": ("active_after_a_month", "users_after_a_month"),
        },
        is_wide=True,
    )
