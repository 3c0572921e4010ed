#!/bin/sh
# Puts the cluster of a time into PGDATA, while Postgres is stopped:
#   restore.sh '2026-03-01 14:05:00-03'    the state of this time
#   restore.sh latest                      the newest state that the archive has
# The cluster that is there now is moved aside to PGDATA.before-TIME. When Postgres is started next, it reads the WAL up
# to this time and then opens the database. Run `revoada recover` before any role runs again.
set -eu
umask 077
backup="${BACKUP:-/backup}"
time="${1:?give a time with its zone, such as '2026-03-01 14:05:00-03', or: latest}"
if pg_isready --quiet; then
	echo 'restore.sh: Postgres runs. Stop it first, and all roles with it.' >&2
	exit 1
fi
before="99999999T999999Z"
if [ "$time" != latest ]; then
	# A time without a zone would be read in the zone of this machine.
	case "$time" in
	*Z | *[+-][0-9][0-9] | *[+-][0-9][0-9]:[0-9][0-9]) ;;
	*) echo "restore.sh: $time has no zone: write it as 2026-03-01 14:05:00-03." >&2 && exit 1 ;;
	esac
	before="$(date -u -d "$time" +%Y%m%dT%H%M%SZ)"
fi
# The newest copy that was complete before the time.
base=''
for ended in "$backup"/base/*Z/ended; do
	[ -e "$ended" ] || continue
	[ "$(printf '%s\n' "$(cat "$ended")" "$before" | sort | head -n 1)" = "$(cat "$ended")" ] && base="${ended%/ended}"
done
if [ -z "$base" ]; then
	echo "restore.sh: no copy in $backup/base is from before $time." >&2
	exit 1
fi
echo "restoring $base and the WAL after it, until: $time"
if [ -e "$PGDATA" ]; then
	mv "$PGDATA" "$PGDATA.before-$(date -u +%Y%m%dT%H%M%SZ)"
fi
mkdir -p "$PGDATA"
chmod 700 "$PGDATA"
tar -xzf "$base/base.tar.gz" -C "$PGDATA"
tar -xzf "$base/pg_wal.tar.gz" -C "$PGDATA/pg_wal"
settings="$PGDATA/postgresql.auto.conf"
sed -i '/^restore_command\|^recovery_target\|^hot_standby/d' "$settings"  # of an earlier restore
{
	# Nobody connects before the state is complete.
	echo "hot_standby = 'off'"
	echo "restore_command = 'cp \"$backup/wal/%f\" \"%p\"'"
	echo "recovery_target_action = 'promote'"
	[ "$time" = latest ] || echo "recovery_target_time = '$time'"
} >>"$settings"
touch "$PGDATA/recovery.signal"
