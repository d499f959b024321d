#!/bin/sh
# Writes .env for docker compose: random passwords, and the profile `cpu`. Never overwrites.
set -eu
cd "$(dirname "$0")/.."
if [ -e .env ]; then
    echo "deploy/init.sh: .env is there already; remove it for new passwords (the data in the volumes stays)" >&2
    exit 2
fi
password() { LC_ALL=C tr -dc 'A-Za-z0-9' < /dev/urandom | head -c 32; }
umask 077
cat > .env.part <<END
# Read by docker compose. Secrets: keep it out of version control and readable by you alone.

# The worker runs on the processor; gpu: on an NVIDIA GPU.
COMPOSE_PROFILES=cpu

TAPEWIRE_CLICKHOUSE_PASSWORD=$(password)
TAPEWIRE_CLICKHOUSE_BI_PASSWORD=$(password)
TAPEWIRE_SUPERSET_PASSWORD=$(password)

# Yours, from massive.com, with news and the stocks websocket.
TAPEWIRE_MASSIVE_API_KEY=${TAPEWIRE_MASSIVE_API_KEY:-}
END
mv .env.part .env
[ -n "${TAPEWIRE_MASSIVE_API_KEY:-}" ] || echo "deploy/init.sh: now put your key into .env: TAPEWIRE_MASSIVE_API_KEY=..."
echo "deploy/init.sh: sign in to Superset as admin with TAPEWIRE_SUPERSET_PASSWORD from .env"
