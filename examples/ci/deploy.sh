#!/bin/sh
# For a CI job: store the tool's configuration, deploy it, wait, and fail if the deployment fails.
# With a token, it deploys the configuration that is stored: a token cannot change it.
#   COMPONENTS_URL, COMPONENTS_TOOL   the URL of the service, and the tool
#   COMPONENTS_TOKEN                  a token of the tool with the scopes `deploy` and `read`; or
#   COMPONENTS_CLIENT_CERT, _KEY, _CA files: the tool's certificate, its key, and the CA
#   CONFIGURATION                     the configuration file (default: components.yaml)
#   DEPLOY_TIMEOUT                    the timeout in seconds (default: 1800)
#   DEPLOY_DESCRIPTION                the reason; only the first line is used (default: by CI)
#   DEPLOY_KEY                        a key per job, so that a job that is retried deploys once
set -eu
set --
if [ -z "${COMPONENTS_TOKEN:-}" ]; then
  file="${CONFIGURATION:-components.yaml}"
  components config validate "$file"
  components config diff "$file"
  # Stored by the same command, so that nothing is if another option is invalid.
  set -- --config "$file"
fi

exec components deploy "$@" --wait --timeout "${DEPLOY_TIMEOUT:-1800}" \
  --when-busy supersede \
  ${DEPLOY_KEY:+--idempotency-key "$DEPLOY_KEY"} \
  --description "${DEPLOY_DESCRIPTION:-by CI}"
