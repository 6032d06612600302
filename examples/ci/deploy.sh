#!/bin/sh
# For a CI job: set the tool's configuration, deploy it, wait for the end, and fail if it fails.
#   COMPONENTS_URL, COMPONENTS_TOOL   where the service is, and for which tool
#   COMPONENTS_CLIENT_CERT, _KEY, _CA the tool's certificate (files)
#   CONFIGURATION                     the file (components.yaml)
#   DEPLOY_TIMEOUT                    seconds to wait (1800)
#   DEPLOY_DESCRIPTION                why; of a commit's message the first line (by CI)
#   DEPLOY_KEY                        the same for the same job, so that one run twice deploys once
set -eu
file="${CONFIGURATION:-components.yaml}"

components config validate "$file"
components config diff "$file"

# One command, so that nothing is stored if anything else that is asked for cannot be.
exec components deploy --config "$file" --wait --timeout "${DEPLOY_TIMEOUT:-1800}" \
  --when-busy supersede \
  ${DEPLOY_KEY:+--idempotency-key "$DEPLOY_KEY"} \
  --description "${DEPLOY_DESCRIPTION:-by CI}"
