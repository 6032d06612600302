#!/bin/sh
# For a CI job: store the tool's configuration, deploy it, wait, and fail if the deployment fails.
#   COMPONENTS_URL, COMPONENTS_TOOL   the URL of the service, and the tool
#   COMPONENTS_CLIENT_CERT, _KEY, _CA files: the tool's certificate, its key, and the CA
#   CONFIGURATION                     the configuration file (default: components.yaml)
#   DEPLOY_TIMEOUT                    the timeout in seconds (default: 1800)
#   DEPLOY_DESCRIPTION                the reason; only the first line is used (default: by CI)
#   DEPLOY_KEY                        a key per job, so that a job that is retried deploys once
set -eu
file="${CONFIGURATION:-components.yaml}"

components config validate "$file"
components config diff "$file"

# One command, so that nothing is stored if another option is invalid.
exec components deploy --config "$file" --wait --timeout "${DEPLOY_TIMEOUT:-1800}" \
  --when-busy supersede \
  ${DEPLOY_KEY:+--idempotency-key "$DEPLOY_KEY"} \
  --description "${DEPLOY_DESCRIPTION:-by CI}"
