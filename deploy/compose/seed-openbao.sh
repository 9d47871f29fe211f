#!/bin/sh
# Fills a fresh OpenBao for `docker-compose.yml`: two secrets, a policy that can read them and
# nothing else, and an AppRole whose secret id goes to Keyward through a file.
#
# It runs once, in OpenBao's image, after the server is healthy, and needs BAO_ADDR, BAO_CACERT,
# BAO_TOKEN, OPENAI_API_KEY, KEYWARD_HTTP_TOKEN and the folder HANDOVER. Values travel over pipes:
# no process shows one among its arguments.
set -eu
umask 077

echo "seeding secret/ai/openai and secret/keyward/http-token"
printf '%s' "$OPENAI_API_KEY" | bao kv put -mount=secret ai/openai api_key=- >/dev/null
printf '%s' "$KEYWARD_HTTP_TOKEN" | bao kv put -mount=secret keyward/http-token token=- >/dev/null

echo "writing the policy: read these two, and nothing else"
bao policy write keyward - >/dev/null <<'POLICY'
path "secret/data/ai/*"                 { capabilities = ["read"] }
path "secret/data/keyward/http-token"   { capabilities = ["read"] }
POLICY

echo "making the role"
bao auth list -format=json | grep -q '"approle/"' || bao auth enable approle >/dev/null
bao write auth/approle/role/keyward token_policies=keyward token_no_default_policy=false \
    token_ttl=1h token_max_ttl=4h >/dev/null
# A role's id is a name, not a secret; a fixed one can stand in Keyward's configuration.
bao write auth/approle/role/keyward/role-id role_id=keyward-compose >/dev/null

cp -f "$BAO_CACERT" "$HANDOVER/ca.pem"
bao write -field=secret_id -f auth/approle/role/keyward/secret-id >"$HANDOVER/secret_id.new"
mv "$HANDOVER/secret_id.new" "$HANDOVER/secret_id"
echo "done"
