#!/bin/sh
# Replaces the content of the database by a dump of dump.sh: load.sh 20260301T140500Z.dump. Stop all roles before, and
# run `revoada migrate` and `revoada recover` before any role runs again.
set -eu
[ -z "${PGPASSWORD_FILE:-}" ] || PGPASSWORD="$(cat "$PGPASSWORD_FILE")" && export PGPASSWORD
from="${BACKUP:-/backup}/dumps/${1:?give the name of a dump}"
# Everything happens in one transaction. First the whole schema is dropped, because `pg_restore --clean` would keep
# tables that are newer than the dump, with their rows. If pg_restore fails, psql gets no COMMIT, and nothing changes.
{
	echo 'BEGIN; DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION pg_database_owner;'
	echo "GRANT USAGE ON SCHEMA public TO PUBLIC; COMMENT ON SCHEMA public IS 'standard public schema';"
	pg_restore --no-owner --file=- "$from" && printf 'COMMIT;\n\\echo loaded %s\n' "$from"
} | psql --no-password --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --dbname="$PGDATABASE" | grep '^loaded '
