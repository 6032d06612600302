"""What Toolforge's services have in common, over HTTP, for the builder and the runner of that name.

`api` makes one call of one service; `errors` classifies its errors; `settings` reads where the
gateway is; `files` loads the client's certificate. What a service calls its own things is not here.
"""
