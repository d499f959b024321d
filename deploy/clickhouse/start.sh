#!/bin/sh
# Starts ClickHouse's image. The secrets are files, and users.d can take a password from the environment only.
set -eu
# Assigned before they are exported, because `export` would hide that a file can't be read.
TAPEWIRE_CLICKHOUSE_PASSWORD=$(cat /run/secrets/clickhouse_password)
TAPEWIRE_CLICKHOUSE_BI_PASSWORD=$(cat /run/secrets/clickhouse_bi_password)
# An empty password would let everybody in.
: "${TAPEWIRE_CLICKHOUSE_PASSWORD:?is empty; deploy/init.sh writes its file}"
: "${TAPEWIRE_CLICKHOUSE_BI_PASSWORD:?is empty; deploy/init.sh writes its file}"
export TAPEWIRE_CLICKHOUSE_PASSWORD TAPEWIRE_CLICKHOUSE_BI_PASSWORD
exec /entrypoint.sh
