"""Takes the pictures of docs/console.md and docs/console.pt-BR.md: the console in Debian's Chromium, in each language.

The campaigns, accounts and people are rows with fixed numbers and times, which no worker changes. A draft is made in
the browser. `make pictures ARGS=console` writes docs/pictures/*.png; look at them before you commit them. To add a
page, add a call of `take` here, and show the picture in both documents: a test compares the files with the documents.
"""

from __future__ import annotations

import datetime as dt
import io
from collections import Counter
from collections.abc import Callable
from gettext import translation
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from psycopg.types.json import Jsonb

from benchmarks.frame import ACTOR, World
from campaigns.domain.prices.price_list import write_example
from campaigns.domain.users.rights import Role
from campaigns.management.accounts import add_account
from campaigns.management.prices.charges import count_next_charges
from campaigns.management.prices.loading import load_prices
from campaigns.management.users.users import add_user
from campaigns.store.database import Connection
from console.languages import DOMAIN, FOLDER
from console.texts import LANGUAGES, PORTUGUESE
from devstack.roles import PROJECT
from devstack.server import DevstackError, wait_until

Colour = tuple[int, int, int]

PICTURES = PROJECT / "docs" / "pictures"
CHROMIUM = "/usr/bin/chromium"
WIDE, PHONE = (1440, 900), (360, 780)
ZONE = "America/Sao_Paulo"
# A picture has few colours, so that many of them stay small.
_COLOURS = 96
_MOST_BYTES = 150_000
_PASSWORD = "uma senha para as figuras"  # of a user who is gone with the run
_WABA = "220000000000001"
_PATIENCE_SECONDS = 60.0
# The streams are cut, so that no number changes. The page says what it says with a stream.
_PREPARE = """words => {
    document.activeElement.blur();
    const state = document.getElementById("live-state");
    if (state) state.textContent = words;
}"""
_STARTED_AT = "2026-11-24 13:00Z"  # a Tuesday, 10:00 in São Paulo
_PRICES_FROM = dt.date(2026, 11, 1)
_LIST = """telefone;nome;desconto
(11) 96200-1000;Ana Beatriz;10%
(11) 96231-4417;Bruno;15%
(11) 98120-7350;Carla;20%
(11) 97005-2286;Davi;25%
(11) 99874-0163;Elisa;10%
9620-10;Fábio;15%
(11) 96200-1000;Ana Beatriz;10%
"""
_TEMPLATES = (
    ("black_friday", "MARKETING", "approved", "Oi {{1}}! *Só hoje*: {{2}} de desconto em toda a loja."),
    ("aviso_de_entrega", "UTILITY", "approved", "{{1}}, o seu pedido sai hoje. Previsão: {{2}}."),
    ("promocao_verao", "MARKETING", "paused", "{{1}}, o verão chegou: {{2}} em toda a loja."),
)
_ACCOUNTS = (("Vendas", "GREEN"), ("Relacionamento", "YELLOW"), ("Novidades", "GREEN"))
# A worker that holds the leases of the running campaigns for the length of the run, so that no cause is shown.
_WORKER = """
WITH tick AS (UPDATE installation SET ticked_at = now() + interval '1 day')
INSERT INTO workers (owner, name, queues, slots, running_count, started_at, seen_at, consumed_at, skew_seconds)
VALUES ('host:1', 'worker@host', '{campaigns}', 4, 1, now(), now() + interval '1 day', now() + interval '1 day', 0)
"""
_CAMPAIGN = """
WITH campaign AS (
    INSERT INTO campaigns (name, status, template_id, time_zone, columns, recipient_count, rejected_count, created_at,
        started_at, completed_at, waiting_reason, due_at, window_from, window_to)
    SELECT %(name)s, %(status)s::campaign_status, id, %(zone)s, '{1,2}', %(people)s, %(rejected)s,
        %(at)s::timestamptz - interval '1 hour', %(at)s,
        CASE WHEN %(status)s = 'completed' THEN %(at)s::timestamptz + interval '40 minutes' END, %(reason)s,
        CASE WHEN %(reason)s::text IS NOT NULL THEN now() + interval '1 day' END, '09:00', '20:00'
    FROM templates WHERE name = %(template)s
    RETURNING id
), lease AS (
    INSERT INTO leases (campaign_id, until, owner)
    SELECT id, CASE WHEN %(status)s = 'running' AND %(reason)s::text IS NULL THEN now() + interval '1 day'
        ELSE '-infinity' END, 'host:1'
    FROM campaign
), used AS (
    INSERT INTO campaign_accounts (campaign_id, account_id)
    SELECT campaign.id, accounts.id FROM campaign, accounts WHERE accounts.name = ANY (%(accounts)s)
)
INSERT INTO audit_events (at, actor, actor_kind, surface, what, target_id)
SELECT %(at)s, 'maria', 'user', 'console', 'campaign.start', id FROM campaign
RETURNING target_id
"""
# `number`: of the first phone.
_MESSAGES = """
INSERT INTO messages (campaign_id, phone, recipient_key, variables, status, account_id, claimed_at, send_no, attempts,
    wamid, sent_at, delivered_at, read_at, failed_at, error_code, error_title, replied_at, pricing_category,
    is_billable)
SELECT %(id)s, p.phone, p.phone, ARRAY[(ARRAY['Ana','Bruno','Carla','Davi','Elisa'])[1 + n %% 5], '20%%'],
    %(status)s::message_status,
    CASE WHEN is_claimed THEN 1 END, CASE WHEN is_claimed THEN %(at)s::timestamptz END, is_claimed::integer,
    is_claimed::integer, CASE WHEN has_arrived OR %(status)s = 'sent' THEN 'wamid.' || p.phone END,
    CASE WHEN has_arrived OR %(status)s = 'sent' THEN %(at)s::timestamptz + n %% 2400 * interval '1 second' END,
    CASE WHEN has_arrived THEN %(at)s::timestamptz + interval '1 minute' END,
    CASE WHEN %(status)s = 'read' THEN %(at)s::timestamptz + interval '5 minutes' END,
    CASE WHEN %(status)s = 'failed' THEN %(at)s::timestamptz + interval '1 minute' END, %(code)s, %(title)s,
    CASE WHEN %(status)s = 'read' AND n %% 20 = 0 THEN %(at)s::timestamptz + interval '8 minutes' END,
    CASE WHEN has_arrived THEN category END, CASE WHEN has_arrived THEN n %% 9 > 0 END
FROM generate_series(%(number)s, %(number)s + %(count)s - 1) n
CROSS JOIN LATERAL (SELECT '+55119' || (60000000 + n)) p (phone)
CROSS JOIN (SELECT %(status)s IN ('delivered', 'read'), %(status)s NOT IN ('pending', 'suppressed')
    ) s (has_arrived, is_claimed)
CROSS JOIN (SELECT lower(t.category) FROM templates t JOIN campaigns c ON c.template_id = t.id WHERE c.id = %(id)s
    ) t (category)
"""
_SAMPLES = """
INSERT INTO campaign_samples (campaign_id, step, at, read_at, counts, done_count, rate)
SELECT %(id)s, 'minute', at, at, jsonb_build_object('sent', 150 * n, 'pending', 12000 - 150 * n), 150 * n,
    CASE WHEN n BETWEEN 22 AND 28 THEN 1.0 ELSE 2.5 END
FROM generate_series(1, 60) n CROSS JOIN LATERAL (SELECT %(at)s::timestamptz + n * interval '1 minute') s (at)
"""
_ACCOUNTS_NOW = """
UPDATE accounts SET health_checked_at = %(at)s, health = jsonb_build_object(
    'quality', (ARRAY['GREEN','YELLOW','GREEN'])[id], 'messaging_limit', 'TIER_10K',
    'display_phone_number', '+55 11 4000-100' || id),
    active = id <> 3,
    inactive_reason = CASE WHEN id = 3 THEN '5 consecutive send failures: 190 The token has expired' END
"""


def take_pictures() -> None:
    PICTURES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for language in LANGUAGES:
            with World() as world:
                ids = fill(world, language)
                world.start_roles("files", "console")
                visit(world, chromium, language, ids)
        chromium.close()


def fill(world: World, language: str) -> dict[str, int]:
    """Add accounts, campaigns and people, and a user; return the ids of the campaigns by their names."""
    key = world.stack.environment["REVOADA_SECRET_KEY"]
    for number, (name, _quality) in enumerate(_ACCOUNTS):
        add_account(
            world.database, name, phone_number_id=str(551100000000001 + number), waba_id=_WABA, token="t",
            actor=ACTOR, secret_key=key,
        )  # fmt: skip
    chosen = {"password": _PASSWORD, "time_zone": ZONE, "language": language}
    add_user(world.database, "maria", actor=ACTOR, role=Role.OPERATOR, **chosen)
    prices = world.folder / "prices.csv"
    prices.write_text(write_example(_PRICES_FROM), encoding="utf-8")
    load_prices(world.database, prices, actor=ACTOR)
    ids = world.database.run(add_rows)
    while count_next_charges(world.database):
        pass
    return ids


def add_rows(connection: Connection) -> dict[str, int]:
    connection.execute(_WORKER)
    connection.execute(_ACCOUNTS_NOW, {"at": _STARTED_AT})
    for name, category, status, body in _TEMPLATES:
        connection.execute(
            "INSERT INTO templates (waba_id, name, language, components, category, status, quality, status_at)"
            " VALUES (%s, %s, 'pt_BR', %s, %s, %s, 'GREEN', %s)",
            (
                _WABA,
                name,
                Jsonb(
                    [
                        {"type": "BODY", "text": body},
                        {"type": "FOOTER", "text": "Para sair, responda SAIR"},
                    ]
                ),
                category,
                status,
                _STARTED_AT,
            ),
        )
    sending = add_campaign(connection, "Black Friday", "running", "black_friday", {"rejected": 12})
    entered = 0
    for status, count in (("read", 3_120), ("delivered", 4_410), ("sent", 1_380), ("pending", 2_954)):
        add_messages(connection, sending, entered, count, status)
        entered += count
    for code, count in ((131026, 96), (131049, 40)):
        add_messages(connection, sending, entered, count, "failed", code=code, title=_TITLES[code])
        entered += count
    connection.execute(_SAMPLES, {"id": sending, "at": _STARTED_AT})
    waiting = add_campaign(connection, "Promoção de verão", "running", "promocao_verao", {"reason": "template"})
    add_messages(connection, waiting, 20_000, 4_000, "pending")
    ended = add_campaign(connection, "Aviso de entrega", "completed", "aviso_de_entrega", {"rejected": 7})
    entered = 30_000
    for status, count in (("read", 1_412), ("delivered", 405), ("sent", 31)):
        add_messages(connection, ended, entered, count, status)
        entered += count
    for code, count in ((131026, 58), (131049, 21), (131042, 12)):
        add_messages(connection, ended, entered, count, "failed", code=code, title=_TITLES[code])
        entered += count
    add_messages(connection, ended, entered, 34, "suppressed")
    add_messages(connection, ended, entered + 34, 3, "uncertain", title="the reply was lost")
    return {"sending": sending, "waiting": waiting, "ended": ended}


_TITLES = {
    131026: "Message undeliverable",
    131049: "This message was not delivered to maintain healthy ecosystem engagement.",
    131042: "Business eligibility payment issue",
}


def add_campaign(connection: Connection, name: str, status: str, template: str, more: dict[str, object]) -> int:
    parameters = {
        "name": name, "status": status, "template": template, "zone": ZONE, "at": _STARTED_AT, "people": 12_000,
        "rejected": 0, "reason": None, "accounts": ["Vendas", "Relacionamento"],
    }  # fmt: skip
    ((campaign_id,),) = connection.execute(_CAMPAIGN, parameters | more)
    return int(campaign_id)


def add_messages(
    connection: Connection,
    campaign_id: int,
    number: int,
    count: int,
    status: str,
    *,
    code: int | None = None,
    title: str | None = None,
) -> None:
    given = {"id": campaign_id, "number": number, "count": count, "status": status, "code": code, "title": title}
    connection.execute(_MESSAGES, given | {"at": _STARTED_AT})


def visit(world: World, chromium: Browser, language: str, ids: dict[str, int]) -> None:
    root, suffix = world.stack.console_url, "pt" if language == PORTUGUESE else "en"
    live = translation(DOMAIN, FOLDER, [language], fallback=True).gettext("The numbers are live.")

    def open_page(size: tuple[int, int] = WIDE, scheme: str = "light") -> Page:
        """Return a page on which a person has signed in, and on which no number changes by itself."""
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if scheme == "dark" else "light",
            locale=language.replace("_", "-"),
            reduced_motion="reduce",
        )
        for path in ("live", "numbers"):
            context.route(f"**/{path}/**", lambda route: route.abort())
        page = context.new_page()
        page.goto(f"{root}/login")
        return page

    def sign_in(page: Page) -> Page:
        page.fill("#name", "maria")
        page.fill("#password", _PASSWORD)
        page.click("main form button")
        page.wait_for_url(f"{root}/")
        return page

    def take(name: str, page: Page, *, height: int = WIDE[1]) -> None:
        """Take a picture of the upper part of a page. The height is that of the page, if it is lower."""
        page.evaluate(_PREPARE, live)
        width = page.viewport_size["width"] if page.viewport_size else WIDE[0]
        whole = page.evaluate("Math.ceil(document.querySelector('main').getBoundingClientRect().bottom + scrollY)")
        write_picture(
            PICTURES / f"{name}.{suffix}.png",
            page.screenshot(
                full_page=True,
                clip={"x": 0, "y": 0, "width": width, "height": min(whole, height)},
                animations="disabled",
            ),
        )

    page = open_page()
    take("login", page, height=480)
    sign_in(page)
    take("now", page)
    sending, ended = f"campaigns/{ids['sending']}", f"campaigns/{ids['ended']}"
    for name, path, height in (
        ("campaign", sending, 1_150),
        ("pause", f"{sending}/pause", 480),
        ("errors", f"{ended}/errors", 1_050),
        ("people", f"{ended}/people?group=failed", 700),
        ("accounts", "accounts", WIDE[1]),
        ("report", f"{ended}/report", 1_150),
        ("compare", f"campaigns/compare?a={ids['ended']}&b={ids['sending']}", 1_150),
        ("costs", "cost?from=2026-11&to=2026-11", WIDE[1]),
        ("templates", "templates", WIDE[1]),
    ):
        page.goto(f"{root}/{path}")
        take(name, page, height=height)
    page.goto(f"{root}/people")
    page.fill("#phone", "(11) 96003-1848")
    page.click("main form button")
    page.wait_for_url("**/people/*")
    take("person", page, height=760)
    make_draft(page, root, take)
    world.ask("UPDATE campaigns SET created_at = %s WHERE name = 'Natal' RETURNING id", _STARTED_AT)
    small = sign_in(open_page(PHONE))
    small.goto(f"{root}/campaigns/{ids['sending']}")
    take("campaign-phone", small, height=1_100)
    dark = sign_in(open_page(scheme="dark"))
    dark.goto(f"{root}/campaigns")
    take("campaigns-dark", dark)


def make_draft(page: Page, root: str, take: Callable[..., None]) -> None:
    """Make a campaign in the browser, and take a picture of each step."""
    page.goto(f"{root}/campaigns/new")
    page.check("input[value='black_friday:pt_BR']")
    page.fill("#name", "Natal")
    take("new-text", page, height=1_000)
    page.click("main form[method=post] .choice button")
    page.wait_for_selector("#file")
    take("new-list", page, height=620)
    page.set_input_files("#file", {"name": "clientes.csv", "mimeType": "text/csv", "buffer": _LIST.encode()})
    page.click("#upload button")
    page.wait_for_url("**/columns")
    await_work(page, "#phone")
    take("new-columns", page)
    page.click("main .choice button")
    page.wait_for_url("**/check")
    # A link to this page itself stands there while the list is compared with other campaigns.
    await_work(page, "main:has(.verdict):not(:has(section a[href$='/check']))")
    take("new-check", page, height=1_000)
    page.click("nav.steps a[href$='/pace']")
    page.wait_for_selector("form.pace")
    page.fill("#speed", "2")
    page.fill("#window_from", "09:00")
    page.fill("#window_to", "20:00")
    page.click("main form.pace .choice button")
    page.wait_for_url("**/start")
    take("new-start", page, height=1_150)
    page.goto(page.url.replace("/start", "/pace"))
    take("new-pace", page, height=1_100)


def await_work(page: Page, selector: str) -> None:
    """Wait until the role `files` has done its work and the page shows it."""

    def is_there() -> bool:
        if page.locator(selector).count():
            return True
        page.reload()
        return bool(page.locator(selector).count())

    if not wait_until(is_there, _PATIENCE_SECONDS):
        raise DevstackError(f"{page.url} does not show {selector}")


def write_picture(path: Path, screenshot: bytes) -> None:
    """Write a picture with its most frequent colours. These are those of the page; the others are edges of letters."""
    image = Image.open(io.BytesIO(screenshot)).convert("RGB")
    data = image.tobytes()
    pixels = list(zip(data[::3], data[1::3], data[2::3], strict=True))
    counts = Counter(pixels)
    kept = [colour for colour, _count in counts.most_common(_COLOURS)]
    places = {colour: min(range(len(kept)), key=lambda place: measure(colour, kept[place])) for colour in counts}
    small = Image.frombytes("P", image.size, bytes(places[each] for each in pixels))
    small.putpalette([part for colour in kept for part in colour])
    small.save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path.relative_to(PROJECT)}: {size / 1000:.0f} kB")
    if size > _MOST_BYTES:
        raise DevstackError(f"{path.name} is larger than {_MOST_BYTES / 1000:.0f} kB.")


def measure(one: Colour, other: Colour) -> int:
    """Return how different two colours are."""
    return sum((part - other_part) ** 2 for part, other_part in zip(one, other, strict=True))
