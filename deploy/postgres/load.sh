#!/bin/sh
# Replaces the tables of the database by those of a dump of dump.sh: load.sh 20260301T140500Z.dump. Stop all roles before,
# and run `revoada recover` before any role runs again.
set -eu
[ -z "${PGPASSWORD_FILE:-}" ] || PGPASSWORD="$(cat "$PGPASSWORD_FILE")" && export PGPASSWORD
from="${BACKUP:-/backup}/dumps/${1:?give the name of a dump}"
pg_restore --no-password --clean --if-exists --no-owner --single-transaction --dbname="$PGDATABASE" "$from"
echo "loaded $from"
