"""All routes of this interface, in the order in which they are matched."""

from components.http.toolforge import configurations, deployments, health

ROUTES = (*health.ROUTES, *configurations.ROUTES, *deployments.ROUTES)
