#!/bin/sh
# Writes the database into BACKUP/dumps/TIME.dump (UTC). Arguments go to pg_dump, such as --exclude-table-data='upload*'.
set -eu
umask 077
[ -z "${PGPASSWORD_FILE:-}" ] || PGPASSWORD="$(cat "$PGPASSWORD_FILE")" && export PGPASSWORD
to="${BACKUP:-/backup}/dumps/$(date -u +%Y%m%dT%H%M%SZ).dump"
mkdir -p "${to%/*}"
pg_dump --no-password --format=custom --file="$to.part" "$@"
mv "$to.part" "$to"
echo "dumped to $to"
