"""The builds of a deployment: starting, seeking, asking for and ending them.

All that may wait for a builder is here. Nothing here may store anything, or decide what is to be
done: a plan says that.
"""
