#!/bin/sh
# Postgres runs this for each complete file of the WAL: archive.sh PATH NAME. BACKUP is the folder of the backups.
# After a crash Postgres may hand a file over a second time. A file of this name with another content is an error, and
# then Postgres keeps its file and tries again.
set -eu
backup="${BACKUP:-/backup}"
to="$backup/wal/$2"
if [ -e "$to" ]; then
	cmp -s "$1" "$to" && exit 0
	# Postgres writes this to its log.
	echo "archive.sh: $to has another content, so $backup has the WAL of another database, or of a state that was left." \
		"Move $backup/wal and $backup/base to another place. Then Postgres archives by itself; make a copy with backup.sh." >&2
	exit 1
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
