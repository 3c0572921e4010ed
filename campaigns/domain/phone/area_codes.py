"""The time zones of country and area codes for which the table of `phonenumbers` is wrong or incomplete.

That table gives Recife the time of Fernando de Noronha, Belém the time of Manaus, and all Russian mobile phones the
time of Moscow. The zones here come from the tz database (`zone1970.tab`). docs/decisions/0026 gives the rule for each
country.
"""

from __future__ import annotations

# Brazil's 67 area codes (DDD) are listed by Anatel: Plano Geral de Códigos Nacionais (resolution 749 of 2022, annex).
# The zone of a state is its legal time according to IBGE and the Observatório Nacional (law 12.876 of 2013), under its
# name in the tz database.
_BRAZIL_BY_ZONE = {
    ("America/Sao_Paulo",): (
        "11 12 13 14 15 16 17 18 19 21 22 24 27 28 31 32 33 34 35 37 38 41 42 43 44 45 46 47 48 49 51 53 54 55 61 62 64"
    ),
    ("America/Araguaina",): "63",
    ("America/Cuiaba",): "65 66",
    ("America/Campo_Grande",): "67",
    ("America/Rio_Branco",): "68",
    ("America/Porto_Velho",): "69",
    ("America/Bahia",): "71 73 74 75 77",
    ("America/Maceio",): "79 82",
    # Fernando de Noronha (3,000 people, an hour ahead of Recife) has the code 81, too.
    ("America/Recife",): "81 87",
    ("America/Fortaleza",): "83 84 85 86 88 89 98 99",
    # The west of Pará (93) has had the time of Belém since 2008.
    ("America/Belem",): "91 93 94 96",
    ("America/Manaus",): "92",
    ("America/Boa_Vista",): "95",
    # The west of Amazonas has the time of Acre, and all other places with the code 97 have the time of Manaus.
    ("America/Eirunepe", "America/Manaus"): "97",
}
BRAZIL = {area: zones for zones, areas in _BRAZIL_BY_ZONE.items() for area in areas.split()}

# The keys are the country codes, and longer prefixes, of two kinds of countries. A country of the first kind has
# several time zones, and its mobile numbers do not reveal their place. So a phone may be in any of these zones; of
# several zones with the same time, only one is listed. The zone in which most people live stands first, because a text
# about the time names the first zone for which the text is true. To a country of the second kind, `phonenumbers` gives
# the time of another country. If several codes match a number, the longest code counts.
BY_CODE = {
    "211": ("Africa/Juba",),
    "212": ("Africa/Casablanca",),
    "213": ("Africa/Algiers",),
    "218": ("Africa/Tripoli",),
    "243": ("Africa/Kinshasa", "Africa/Lubumbashi"),
    "299": ("America/Nuuk", "America/Danmarkshavn", "America/Scoresbysund", "America/Thule"),
    "34": ("Europe/Madrid", "Atlantic/Canary"),
    "351": ("Europe/Lisbon", "Atlantic/Azores"),
    "380": ("Europe/Kyiv", "Europe/Simferopol"),
    "505": ("America/Managua",),
    "52": (
        *("America/Mexico_City", "America/Cancun", "America/Ciudad_Juarez", "America/Matamoros"),
        *("America/Mazatlan", "America/Tijuana"),
    ),
    # The area codes of Mexico City, Guadalajara and Monterrey have two digits, and each of them belongs to one city.
    "5233": ("America/Mexico_City",),
    "5255": ("America/Mexico_City",),
    "5256": ("America/Mexico_City",),
    "5281": ("America/Monterrey",),
    "56": ("America/Santiago", "America/Punta_Arenas", "Pacific/Easter"),
    "593": ("America/Guayaquil", "Pacific/Galapagos"),
    "61": (
        *("Australia/Sydney", "Australia/Adelaide", "Australia/Brisbane", "Australia/Darwin", "Australia/Eucla"),
        *("Australia/Lord_Howe", "Australia/Perth", "Indian/Christmas", "Indian/Cocos"),
    ),
    "62": ("Asia/Jakarta", "Asia/Jayapura", "Asia/Makassar"),
    "64": ("Pacific/Auckland", "Pacific/Chatham"),
    "672": ("Antarctica/Casey", "Antarctica/Davis", "Antarctica/Macquarie", "Antarctica/Mawson", "Pacific/Norfolk"),
    "675": ("Pacific/Port_Moresby", "Pacific/Bougainville"),
    "686": ("Pacific/Tarawa", "Pacific/Kanton", "Pacific/Kiritimati"),
    "689": ("Pacific/Tahiti", "Pacific/Gambier", "Pacific/Marquesas"),
    "691": ("Pacific/Chuuk", "Pacific/Pohnpei"),
    "7": (
        *("Europe/Moscow", "Asia/Irkutsk", "Asia/Kamchatka", "Asia/Krasnoyarsk", "Asia/Magadan", "Asia/Omsk"),
        *("Asia/Vladivostok", "Asia/Yakutsk", "Asia/Yekaterinburg", "Europe/Kaliningrad", "Europe/Samara"),
    ),
    "76": ("Asia/Almaty",),
    "77": ("Asia/Almaty",),
    "86": ("Asia/Shanghai", "Asia/Urumqi"),
    "970": ("Asia/Hebron",),
    "976": ("Asia/Ulaanbaatar", "Asia/Hovd"),
}

# Each area code of North America belongs to one state or province, for mobile phones as well. For a state with several
# zones, `phonenumbers` often names only one of them; for a state with one zone, `phonenumbers` sometimes names a wrong
# zone.
_BRITISH_COLUMBIA = ("America/Edmonton", "America/Fort_Nelson", "America/Vancouver")
_EASTERN_AND_CENTRAL = ("America/Chicago", "America/New_York")
_CENTRAL_AND_MOUNTAIN = ("America/Chicago", "America/Denver")
_MOUNTAIN_AND_PACIFIC = ("America/Boise", "America/Los_Angeles")
_NORTH_AMERICA_BY_ZONE = {
    _BRITISH_COLUMBIA: "236 250 257 672 778",
    ("America/Edmonton", "America/Regina"): "306 474 639",  # Lloydminster has the time of Alberta
    ("America/Panama", "America/Toronto", "America/Winnipeg"): "807",
    ("America/Halifax", "America/Puerto_Rico", "America/Toronto"): "367 418 581",
    ("America/Halifax", "America/St_Johns"): "709 879",
    ("America/Edmonton", "America/Panama", "America/Toronto", "America/Whitehorse", "America/Winnipeg"): "867",
    # These area codes are in Florida, Indiana, Kentucky, Tennessee and Michigan.
    _EASTERN_AND_CENTRAL: "448 850 219 574 812 930 270 364 606 423 729 906",
    _CENTRAL_AND_MOUNTAIN: "308 605 620 701 785",  # Nebraska, the Dakotas, Kansas
    _MOUNTAIN_AND_PACIFIC: "208 986 458 541 775",  # Idaho, Oregon, Nevada
    ("America/Denver", "America/Phoenix"): "928",
    ("America/Adak", "America/Anchorage"): "907",
    ("America/New_York",): "689",
}
NORTH_AMERICA = {area: zones for zones, areas in _NORTH_AMERICA_BY_ZONE.items() for area in areas.split()}
