#!/bin/sh
# Postgres runs this for each complete file of the WAL: archive.sh PATH NAME. BACKUP is the folder of the backups.
# After a crash Postgres may hand a file over a second time. A file of this name with another content is an error, and
# then Postgres keeps its file and tries again.
set -eu
to="${BACKUP:-/backup}/wal/$2"
if [ -e "$to" ]; then
	exec cmp "$1" "$to"
fi
mkdir -p "${to%/*}"
# The end of a restore begins a new timeline. restore.sh needs to know when, and this file may lose its own time.
case "$2" in
*.history) date -u +%Y%m%dT%H%M%S.%NZ >"$to.began" ;;
esac
cp "$1" "$to.part"
sync "$to.part"
mv "$to.part" "$to"
sync "${to%/*}"
