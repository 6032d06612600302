"""Which commit a ref of a git repository is now: one question over HTTP, without git.

`resolver` answers builders, `question` asks a server, and `protocol` reads and writes git's
packets. No commit, tree or file is ever fetched here, and nothing here knows how to build.
"""
