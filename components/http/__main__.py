"""Prints the OpenAPI document: `python -m components.http`."""

import json
import sys

from components.http.app import create_app
from components.http.documentation.document import document_of
from components.settings import Settings

json.dump(document_of(create_app(Settings())), sys.stdout, indent=2)
sys.stdout.write("\n")
