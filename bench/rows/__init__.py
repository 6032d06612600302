"""The rows of the table, by subject. A row prepares what it needs, and gives back its rounds."""
