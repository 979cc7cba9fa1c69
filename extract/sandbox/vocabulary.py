"""The words that the sandbox's contacts are made of. All addresses use reserved domains."""

from typing import NamedTuple


class Channel(NamedTuple):
    """Where a contact comes from, how often, and how readily it converts."""

    source: str | None
    medium: str | None
    campaigns: tuple[str | None, ...]
    referrer: str | None
    weight: int  # share of all contacts, in percent
    conversion_rate: float  # share of its leads that ever become users


class Place(NamedTuple):
    """A city, with everything the API says about a place."""

    city: str
    region: str
    region_code: str
    country: str
    country_code: str
    continent: str
    continent_code: str
    latitude: float
    longitude: float
    timezone: str
    postal_code: str
    language: str
    weight: int


CHANNELS = (
    Channel("google", "cpc", ("brand", "competitors", "winter_sale"), "https://google.com/", 26, 0.24),
    Channel("google", "organic", (None,), "https://google.com/", 22, 0.34),
    Channel("linkedin", "social", ("founders", "hiring"), "https://linkedin.com/", 14, 0.18),
    Channel("newsletter", "email", ("weekly", "launch"), None, 12, 0.42),
    Channel("partner", "referral", ("marketplace",), "https://partner.example.net/", 8, 0.46),
    Channel(None, None, (None,), None, 18, 0.38),
)  # fmt: skip

PLACES = (
    Place("Turin", "Piedmont", "21", "Italy", "IT", "Europe", "EU", 45.07, 7.69, "Europe/Rome", "10121", "it", 20),
    Place("Milan", "Lombardy", "25", "Italy", "IT", "Europe", "EU", 45.46, 9.19, "Europe/Rome", "20121", "it", 12),
    Place("Berlin", "Berlin", "BE", "Germany", "DE", "Europe", "EU", 52.52, 13.4, "Europe/Berlin", "10115", "de", 14),
    Place("London", "England", "ENG", "United Kingdom", "GB", "Europe", "EU", 51.51, -0.13, "Europe/London", "EC1A", "en", 14),
    Place("Madrid", "Madrid", "MD", "Spain", "ES", "Europe", "EU", 40.42, -3.7, "Europe/Madrid", "28001", "es", 9),
    Place("Austin", "Texas", "TX", "United States", "US", "North America", "NA", 30.27, -97.74, "America/Chicago", "73301", "en", 13),
    Place("Toronto", "Ontario", "ON", "Canada", "CA", "North America", "NA", 43.65, -79.38, "America/Toronto", "M5H", "en", 6),
    Place("São Paulo", "São Paulo", "SP", "Brazil", "BR", "South America", "SA", -23.55, -46.63, "America/Sao_Paulo", "01000", "pt", 7),
    Place("Auckland", "Auckland", "AUK", "New Zealand", "NZ", "Oceania", "OC", -36.85, 174.76, "Pacific/Auckland", "1010", "en", 5),
)  # fmt: skip

FIRST_NAMES = (
    "Ada", "Alan", "Amina", "Björn", "Chiara", "Chloé", "Daniel", "Elena", "Farid", "Giulia", "Hana", "Ines",
    "Jonas", "Kaito", "Lara", "Luca", "Mads", "Marta", "Noor", "Olga", "Pavel", "Rosa", "Sofia", "Tomás", "Yara",
)  # fmt: skip
LAST_NAMES = (
    "Almeida", "Bauer", "Conti", "Dubois", "Evans", "Ferrari", "García", "Hughes", "Ito", "Jensen", "Kowalski",
    "Lopez", "Moretti", "Nguyen", "O'Brien", "Petrov", "Rossi", "Silva", "Tanaka", "Weber", "Zhang",
)  # fmt: skip
MAIL_DOMAINS = ("example.com", "example.org", "example.net")
SYSTEMS = (
    ("Mac OS", "14.5"),
    ("Windows", "11"),
    ("iOS", "17.4"),
    ("Android", "14"),
    ("Linux", None),
)
BROWSERS = ("Chrome", "Safari", "Firefox", "Edge")
PAGES = ("pricing", "docs", "blog", "features", "signup", "changelog")
ROLES = ("admin", "editor", "viewer", "owner")
COLOURS = ("teal", "amber", "indigo", "coral")
