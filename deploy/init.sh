#!/bin/sh
# Prepares docker compose: .env with the profile `cpu`, and one file for each secret in deploy/secrets/.
#
# No secret that is there is replaced. Running it again adds what is missing and sets the files' modes. Secrets in an .env of
# an earlier version are moved into the files.
set -eu
cd "$(dirname "$0")/.."
umask 077
folder=deploy/secrets
status=0

complain() {
    echo "deploy/init.sh: $*" >&2
    status=1
}

# The lines of .env that set a variable, as a pattern of grep and sed.
lines_of() { echo "^[[:space:]]*\(export[[:space:]]\{1,\}\)\{0,1\}$1[[:space:]]*[=:][[:space:]]*"; }

# What .env sets a variable to, without quotes and comment. The last line counts, as it does for compose.
in_env() {
    [ -e .env ] || return 0
    tr -d '\r' < .env | sed -n "s/$(lines_of "$1")//p" | tail -n 1 |
        sed -e "s/^'\([^']*\)'[[:space:]]*\(#.*\)\{0,1\}\$/\1/; t" \
            -e 's/^"\([^"]*\)"[[:space:]]*\(#.*\)\{0,1\}$/\1/; t' \
            -e 's/^#.*//; s/[[:space:]]#.*//; s/[[:space:]]*$//'
}

remove_from_env() {
    if [ -e .env ] && grep -q "$(lines_of "$1")" .env; then
        # With the comments that the earlier version wrote about secrets.
        sed -e "/$(lines_of "$1")/d" -e '/^# Yours, from massive.com, with news and the stocks websocket.$/d' \
            -e 's/^\(# Read by docker compose\.\) Secrets: keep it out of version control.*/\1/' .env > .env.part
        mv .env.part .env
        echo "deploy/init.sh: $1 is no longer in .env but in $2"
    fi
}

# Passwords in a file that can't be read would be replaced by others.
if [ -e .env ] && [ ! -r .env ]; then
    complain ".env can't be read by this user; nothing was changed"
    exit 1
fi

# Docker mounts a secret's file with the owner and the mode that it has here, and other users read it in the containers.
# So everybody may read each file, and it is the folder that keeps the other users of this machine out.
mkdir -p "$folder"
chmod 700 "$folder"

# A `random` secret is made here, and should not be changed by hand. A `given` one is the user's own, and may be empty.
while read -r name variable kind mode; do
    file=$folder/$name
    value=$(in_env "$variable")
    case $value in
    *[\$\\\'\"\`[:space:]]*)
        complain "$variable in .env has quotes, backticks, spaces, \$ or \\ in it: write its value to $file, remove it from .env and run this again"
        continue
        ;;
    esac
    if [ -s "$file" ]; then
        if [ -n "$value" ] && [ "$value" != "$(cat "$file")" ]; then
            complain "$variable in .env is not what $file has, which is used: remove one of them"
            continue
        fi
    else
        if [ -z "$value" ]; then
            case $kind in
            given) eval "value=\${$variable:-}" ;;
            random) value=$(LC_ALL=C tr -dc 'A-Za-z0-9' < /dev/urandom | head -c 32) ;;
            esac
        fi
        # Without a newline, which some reader could take for a part of the secret.
        printf %s "$value" > "$file.part"
        mv -f "$file.part" "$file"
    fi
    chmod "$mode" "$file"
    remove_from_env "$variable" "$file"
done <<END
clickhouse_password TAPEWIRE_CLICKHOUSE_PASSWORD random 444
clickhouse_bi_password TAPEWIRE_CLICKHOUSE_BI_PASSWORD random 444
superset_password TAPEWIRE_SUPERSET_PASSWORD random 444
http_token TAPEWIRE_HTTP_TOKEN random 444
massive_api_key TAPEWIRE_MASSIVE_API_KEY given 644
alerts_webhook_url TAPEWIRE_ALERTS_WEBHOOK_URL given 644
alerts_slack_url TAPEWIRE_ALERTS_SLACK_URL given 644
END

if [ ! -e .env ]; then
    cat > .env.part <<END
# Read by docker compose. Secrets are in $folder/.

# The worker runs on the processor; gpu: on an NVIDIA GPU.
COMPOSE_PROFILES=cpu
END
    mv .env.part .env
fi

[ -s "$folder/massive_api_key" ] || echo "deploy/init.sh: now put your key of massive.com into $folder/massive_api_key"
echo "deploy/init.sh: sign in to Superset as admin with the password in $folder/superset_password"
exit $status
