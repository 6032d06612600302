#!/bin/sh
# For a CI job: set the tool's configuration, deploy it, wait for the end, and fail if it fails.
#   COMPONENTS_URL, COMPONENTS_TOOL   where the service is, and for which tool
#   COMPONENTS_CLIENT_CERT, _KEY, _CA the tool's certificate (files)
#   CONFIGURATION                     the file (components.yaml)
#   DEPLOY_TIMEOUT                    seconds to wait (1800)
#   DEPLOY_KEY                        the same for the same job, so that one run twice deploys once
set -eu
file="${CONFIGURATION:-components.yaml}"

components config validate "$file"
components config diff "$file"
components config set "$file"

exec components deploy --wait --timeout "${DEPLOY_TIMEOUT:-1800}" \
  --when-busy supersede \
  ${DEPLOY_KEY:+--idempotency-key "$DEPLOY_KEY"} \
  --description "${DEPLOY_DESCRIPTION:-by CI}"
