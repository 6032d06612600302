"""Programs that demonstrate the service."""
