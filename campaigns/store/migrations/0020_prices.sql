-- Adds the prices of messages, which an admin loads from Meta's rate card. The table is new and empty, so the migration
-- waits for no lock. An older process does not know the table.
CREATE TABLE prices (
    country text NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
    category text NOT NULL CHECK (category <> ''),
    valid_from date NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    amount numeric NOT NULL CHECK (amount >= 0),
    market text NOT NULL DEFAULT '',
    PRIMARY KEY (country, category, valid_from)
);
