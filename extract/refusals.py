"""What the text of an API's error is about: the API key, a rate limit, or something else."""

import re

# tokens that are no API keys: of parsers, rate limits, forms, lists and phones
OTHER_TOKEN = re.compile(
    r"\b(?:unexpected|illegal)\s+(?:invalid\s+)?tokens?\b"
    r"|\bbucket\s+of\s+tokens\b"
    r"|\btokens?[\s_-]*buckets?\b"
    r"|\b(?:invalid\s+)?token(?=.{0,40}\b(?:in json|at (?:line|position|column|offset)|line \d))"
    r"|\b(?:invalid\s+)?token(?=\s+near\b)"
    r"|\b(?:invalid|expired)?[\s_-]*(?:csrf|xsrf|page|pagination|continuation|cursor|next|sync|push"
    r"|device)[\s_-]*token(?:\s+(?:is|was|has|not|invalid|expired|found)\b)*",
    re.IGNORECASE,
)
_KINDS = r"(?:(?:access|api|auth|authentication|authorization|bearer|jwt)[\s_-]*)*"
_STATES = (
    r"(?:invalid|not valid|expired|revoked|disabled|deactivated|not found|unknown"
    r"|does not exist|could not be found)"
)
KEY_REFUSED = re.compile(
    r"valid header authorization"
    # "Access token ...", "invalid_token", "Expired JWT token"
    r"|(?:access|bearer|invalid|unknown|expired|revoked|disabled|deactivated)[\s_-]*"
    rf"{_KINDS}token(?!iz)"
    # "The token has expired", "token not found", "The token you provided is invalid"
    r"|token(?:[\s_-]+(?:you )?(?:provided|sent))?[\s_-]+"
    rf"(?:(?:is|was|has|have|been|already|now|no longer)\s+)*{_STATES}"
    r"|token is no longer valid",
    re.IGNORECASE,
)
TOKEN = re.compile(r"(?<![a-z])tokens?(?![a-z])", re.IGNORECASE)
RATE_LIMIT = re.compile(
    r"rate[\s_-]*limit|too[\s_-]many[\s_-](?:requests|calls)|throttl|quota|tokens?[\s_-]*bucket"
    r"|(?:requests?|calls?)[\s_-]+limit"
    r"|limit[\s_-]+(?:is\s+|was\s+|has been\s+)?(?:exceeded|reached)"
    r"|exceeded\b.{0,40}\blimit|(?:requests|calls) per (?:second|minute|hour|day)|slow down",
    re.IGNORECASE,
)


def is_rate_limit(message: str) -> bool:
    """Tell whether an error is about too many requests."""
    return bool(RATE_LIMIT.search(message))


def refuses_key(message: str) -> bool:
    """Tell whether an error is certainly about the API key."""
    return not is_rate_limit(message) and bool(KEY_REFUSED.search(_own_tokens(message)))


def may_refuse_key(message: str) -> bool:
    """Tell whether an error may be about the API key: it mentions a token."""
    return not is_rate_limit(message) and bool(TOKEN.search(_own_tokens(message)))


def _own_tokens(message: str) -> str:
    return OTHER_TOKEN.sub(" ", message)
