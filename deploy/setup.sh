#!/bin/sh
# Makes what docker-compose.yml needs on a host, in the folder of docker-compose.yml: .env, the secrets and the folders
# that containers write to. Run it as root: `sudo deploy/setup.sh`. It changes nothing that exists, so it may run again.
# A secret that .env has from an earlier version is copied into its file; then take it out of .env.
set -eu
cd "$(dirname "$0")/.."
umask 022

# Nobody but root can enter the folder. Docker passes single files into containers, whose users may read them.
mkdir -p secrets
chmod 700 secrets
old() {
	[ ! -e .env ] || sed -n "s/^$1=//p" .env | tail -n 1 | sed "s/^\(['\"]\)\(.*\)\1\$/\2/"  # without quotes
}
write() {
	[ -e "secrets/$1" ] || printf '%s\n' "$2" >"secrets/$1"
}
word() {
	head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'
}
# Each secret: the one of .env, or else a new one.
fill() {
	value="$(old "$2")"
	write "$1" "${value:-$3}"
}
fill postgres_password POSTGRES_PASSWORD "$(word)"
fill valkey_password VALKEY_PASSWORD "$(word)"
fill secret_key REVOADA_SECRET_KEY "$(head -c 32 /dev/urandom | base64 | tr '+/' '-_')"  # as `revoada keygen`
fill meta_app_secret META_APP_SECRET ''
fill meta_verify_token META_VERIFY_TOKEN "$(word)"
write database_url "postgresql://revoada:$(cat secrets/postgres_password)@postgres:5432/revoada"
write redis_url "redis://:$(cat secrets/valkey_password)@valkey:6379/0"
write alertmanager_url "http://localhost/"
write grafana_password "$(word)"

[ -e .env ] || install -m 600 ${SUDO_UID:+-o "$SUDO_UID" -g "$SUDO_GID"} .env.example .env
# Each folder belongs to the user of an image. The person who runs sudo may write to ./data, too.
install -d -m 700 -o 999 -g 999 backup
install -d -m 700 -o 1000 -g 1000 proxy
install -d -m 2770 -o 10001 -g "${SUDO_GID:-0}" data

[ -n "$(cat secrets/meta_app_secret)" ] ||
	echo 'Now write the app secret into secrets/meta_app_secret (App settings, Basic).'
echo 'Keep a copy of secrets/secret_key outside of this host: access tokens cannot be read without it.'
