"""All routes of this interface, in the order in which they are matched."""

from components.http.toolforge import configurations, deployments, health, tokens

# The paths of tokens come first: `token` is no deployment's id.
ROUTES = (*health.ROUTES, *configurations.ROUTES, *tokens.ROUTES, *deployments.ROUTES)
