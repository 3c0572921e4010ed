#!/bin/sh
# Copies the whole cluster of the running Postgres into BACKUP/base/TIME (UTC). With the files of the WAL that Postgres
# archives into BACKUP/wal, restore.sh brings back the state of any time since the oldest copy.
#   KEEP    the number of copies that stay (default 7): the newest ones, whatever their age; WAL that no copy needs is
#           deleted
#   EVERY   seconds between two copies, also after a restart of this script; without EVERY, one copy is made
# The variables of libpq (PGHOST, PGUSER, …) name the server; PGPASSWORD_FILE names a file that has the password.
set -eu
umask 077
backup="${BACKUP:-/backup}"
[ -z "${PGPASSWORD_FILE:-}" ] || PGPASSWORD="$(cat "$PGPASSWORD_FILE")" && export PGPASSWORD

copy() {
	to="$backup/base/$(date -u +%Y%m%dT%H%M%SZ)"
	mkdir -p "$backup/base" "$backup/wal"
	rm -rf "$backup"/base/*.part
	pg_basebackup --pgdata="$to.part" --format=tar --gzip --wal-method=stream --checkpoint=fast --no-password || return
	pg_verifybackup --no-parse-wal --quiet "$to.part" || return
	date -u +%Y%m%dT%H%M%S.%NZ >"$to.part/ended" || return
	sync
	mv "$to.part" "$to" && echo "copied to $to"
}

# Copies are named by their time, so their names are in the order of their times.
list() {
	find "$backup/base" -mindepth 1 -maxdepth 1 -type d ! -name '*.part' | sort
}

tidy() {
	list | head -n "-${KEEP:-7}" | while read -r old; do rm -rf "$old"; done
	oldest="$(list | head -n 1)"
	# The file that marks the begin of a copy is named after the first file of the WAL that the copy needs.
	first="$(tar -xzOf "$oldest/base.tar.gz" backup_label | sed -n 's/^START WAL LOCATION: .*(file \([0-9A-F]*\)).*/\1/p')"
	pg_archivecleanup "$backup/wal" "$first"
}

# A copy that a person starts waits for the end of the daily one, and the other way round.
exec 9>"$backup/lock"
while :; do
	# Each further copy deletes the oldest one. So after a restart, or an error of `tidy`, wait until a copy is due.
	if [ -n "${EVERY:-}" ] && [ -e "$backup/copied" ]; then
		left=$(($(stat -c %Y "$backup/copied") + EVERY - $(date +%s)))
		[ "$left" -le 0 ] || sleep "$left"
	fi
	flock 9
	status=1 pause=''
	if copy; then
		touch "$backup/copied"  # for the health check; a copy that fails changes the time of `base`, too
		if tidy; then status=0; fi
	else
		pause=60
	fi
	flock -u 9
	[ -n "${EVERY:-}" ] || exit "$status"
	[ -z "$pause" ] || sleep "$pause"
done
