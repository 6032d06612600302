"""Chaos tests: instances are killed, paused and given wrong data while they deploy (`make chaos`).

`world` has the processes and their faults, `workload` the clients, `verdict` the checks at the end.
Everything is on this machine, on loopback addresses.
"""
