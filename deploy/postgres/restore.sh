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
# 1: Postgres rejects connections, because it starts, stops, or reads the WAL of an earlier restore.
status=0
pg_isready --quiet || status=$?
if [ "$status" -le 1 ]; then
	echo 'restore.sh: Postgres runs. Stop it first, and all roles with it.' >&2
	exit 1
fi
before="99999999T999999Z"
if [ "$time" != latest ]; then
	# A time without a zone would be read in the zone of this machine. A date alone also ends like a zone.
	case "$time" in
	*:*Z | *:*[+-][0-9][0-9] | *:*[+-][0-9][0-9]:[0-9][0-9]) ;;
	*) echo "restore.sh: $time has no zone: write it as 2026-03-01 14:05:00-03." >&2 && exit 1 ;;
	esac
	before="$(date -u -d "$time" +%Y%m%dT%H%M%S.%NZ)"
fi
# Whether the time in a file is not after the time to restore. Files of an older version have times without a fraction,
# which count as the end of their second.
is_before() {
	[ "$(printf '%s\n' "$(cat "$1")" "$before" | LC_ALL=C sort | head -n 1)" = "$(cat "$1")" ]
}
# Each restore begins a new timeline. The state of a time is on the timeline on which Postgres wrote at that time. The
# latest timeline may have begun later and from an older state, if an earlier restore went back too far.
timeline=1
line=''  # the file with the older timelines that this one continues, and the positions in the WAL at which it left them
for history in "$backup"/wal/*.history; do
	[ -e "$history" ] || continue
	# If a history has no time, it was written before archive.sh recorded the time.
	if [ ! -e "$history.began" ] || is_before "$history.began"; then
		line="$history"
		timeline=$((0x$(basename "$history" .history)))
	fi
done
# A position in the WAL, such as 0/3000120, as a number.
position() {
	echo "$(((0x${1%/*} << 32) + 0x${1#*/}))"
}
# Whether the WAL leads from a copy to the timeline. It does not if an earlier restore went back to a state before the
# copy.
leads_there() {
	ranges='"Timeline": \([0-9]*\), "Start-LSN": "[^"]*", "End-LSN": "\([^"]*\)"'
	# The last range: a copy that a standby makes may span several timelines.
	set -- $(sed -n "s|.*$ranges.*|\1 \2|p" "$1/backup_manifest" | tail -n 1)
	[ "$1" != "$timeline" ] || return 0
	[ -n "$line" ] || return 1
	left="$(sed -n "s/^$1[[:space:]]\{1,\}\([0-9A-F]*\/[0-9A-F]*\).*/\1/p" "$line")"
	[ -n "$left" ] && [ "$(position "$2")" -le "$(position "$left")" ]
}
# The newest copy that was complete before the time and leads to the timeline.
base=''
for ended in "$backup"/base/*Z/ended; do
	if [ -e "$ended" ] && is_before "$ended" && leads_there "${ended%/ended}"; then base="${ended%/ended}"; fi
done
if [ -z "$base" ]; then
	echo "restore.sh: no copy in $backup/base is from before $time." >&2
	exit 1
fi
echo "restoring $base and the WAL after it, until: $time"
# If an error ends this script, such as a full disk, the present cluster is still in its place.
new="$PGDATA.new"
rm -rf "$new"
mkdir -p "$new"
chmod 700 "$new"
tar -xzf "$base/base.tar.gz" -C "$new"
tar -xzf "$base/pg_wal.tar.gz" -C "$new/pg_wal"
settings="$new/postgresql.auto.conf"
sed -i '/^restore_command\|^recovery_target\|^hot_standby/d' "$settings"  # of an earlier restore
{
	# Nobody connects before the state is complete.
	echo "hot_standby = 'off'"
	echo "restore_command = 'cp \"$backup/wal/%f\" \"%p\"'"
	echo "recovery_target_action = 'promote'"
	echo "recovery_target_timeline = '$timeline'"
	[ "$time" = latest ] || echo "recovery_target_time = '$time'"
} >>"$settings"
touch "$new/recovery.signal"
if [ -e "$PGDATA" ]; then
	mv "$PGDATA" "$PGDATA.before-$(date -u +%Y%m%dT%H%M%SZ)"
fi
mv "$new" "$PGDATA"
