#!/bin/sh
# Replaces all roles of docker-compose.yml by those of REVOADA_VERSION in .env, one process after the other, while
# campaigns run: first the migration, then the roles. Build or pull the image before.
set -eu
cd "$(dirname "$0")/.."

docker compose run --rm migrate

# Starts a process of the new version beside the old ones, and only then stops an old one. The old process claims no more
# messages, settles its requests in flight and gives its campaigns to the others.
replace() {
	old="$(docker compose ps --quiet "$1")"
	count="$(docker compose ps --quiet "$1" | wc -l)"
	for each in $old; do
		docker compose up --detach --no-deps --no-recreate --wait --scale "$1=$((count + 1))" "$1"
		docker stop -t 30 "$each"
		docker rm "$each"
	done
}
# An older `files` does not know all the work that pages ask for, so it is replaced before the console.
for role in files events worker beat; do
	replace "$role"
done
# These have a port of the host, so the new process starts when the old one has ended. Meanwhile the proxy waits.
docker compose up --detach --no-deps --wait webhooks
docker compose up --detach --no-deps --wait console
docker compose up --detach --no-deps flower
docker compose ps
