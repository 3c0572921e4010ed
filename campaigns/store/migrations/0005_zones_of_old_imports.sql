-- Recipients that were imported before docs/decisions/0026 have zones from the table of `phonenumbers`, which is wrong
-- for the codes named below. The migration adds to each of their zones all other zones where its people may be. A
-- message leaves only while the window is open in all of them, so nobody gets a message at a wrong hour, and some
-- people get it an hour later than necessary. No message changes. The old names stay in front, so that rows of a
-- campaign stay different.
WITH missing (name, zones) AS (VALUES
    -- Brazil: 91, 93, 94, 96 and 97 stood beside Manaus, 81 in Fernando de Noronha.
    ('America/Manaus', 'America/Belem,America/Eirunepe'),
    ('America/Noronha', 'America/Recife'),
    -- Mobile phones of countries with several zones: the first and the last of these.
    ('Europe/Moscow', 'Asia/Kamchatka,Europe/Kaliningrad'),
    ('America/Cancun', 'America/Tijuana'),
    ('America/Ciudad_Juarez', 'America/Cancun,America/Tijuana'),
    ('America/Matamoros', 'America/Cancun,America/Tijuana'),
    ('America/Mazatlan', 'America/Cancun,America/Tijuana'),
    ('America/Mexico_City', 'America/Cancun,America/Tijuana'),
    ('America/Ojinaga', 'America/Cancun,America/Tijuana'),
    ('America/Tijuana', 'America/Cancun'),
    ('America/Santiago', 'America/Punta_Arenas,Pacific/Easter'),
    ('America/Guayaquil', 'Pacific/Galapagos'),
    ('America/Godthab', 'America/Danmarkshavn,America/Thule'),
    ('Asia/Jakarta', 'Asia/Jayapura'),
    ('Asia/Shanghai', 'Asia/Urumqi'),
    ('Asia/Ulaanbaatar', 'Asia/Hovd'),
    ('Australia/Sydney', 'Australia/Lord_Howe,Indian/Cocos'),
    ('Europe/Kyiv', 'Europe/Simferopol'),
    ('Europe/Madrid', 'Atlantic/Canary'),
    ('Pacific/Auckland', 'Pacific/Chatham'),
    ('Pacific/Kosrae', 'Pacific/Chuuk'),
    ('Pacific/Norfolk', 'Antarctica/Casey,Antarctica/Davis,Antarctica/Mawson'),
    ('Pacific/Ponape', 'Pacific/Chuuk'),
    ('Pacific/Port_Moresby', 'Pacific/Bougainville'),
    ('Pacific/Tahiti', 'Pacific/Gambier,Pacific/Marquesas'),
    ('Pacific/Truk', 'Pacific/Pohnpei'),
    -- Countries on the clock of another: South Sudan, Nicaragua, Algeria, Libya and Palestine, Morocco.
    ('Africa/Nairobi', 'Africa/Juba'),
    ('America/Chicago', 'America/Denver,America/Managua,America/New_York'),
    ('Europe/Paris', 'Africa/Algiers'),
    ('Europe/Bucharest', 'Africa/Tripoli,Asia/Hebron'),
    ('Atlantic/Canary', 'Africa/Casablanca,Europe/Madrid'),
    -- North America: area codes of states with two zones.
    ('America/Fort_Nelson', 'America/Edmonton,America/Toronto'),
    ('America/Los_Angeles', 'America/Boise'),
    ('America/New_York', 'America/Chicago'),
    ('America/Phoenix', 'America/Denver'),
    ('America/Regina', 'America/Edmonton'),
    ('America/St_Johns', 'America/Halifax'),
    ('America/Toronto', 'America/Halifax,America/Puerto_Rico,America/Winnipeg'),
    ('America/Vancouver', 'America/Edmonton,America/Fort_Nelson'),
    ('America/Winnipeg', 'America/Edmonton,America/Regina,America/Toronto')
)
UPDATE campaign_zones z
SET names = z.names || ',' || m.zones
FROM (
    SELECT c.campaign_id, c.id, string_agg(DISTINCT missing.zones, ',') AS zones
    FROM campaign_zones c
    JOIN missing ON missing.name = ANY (string_to_array(c.names, ','))
    GROUP BY c.campaign_id, c.id
) m
WHERE m.campaign_id = z.campaign_id AND m.id = z.id;
