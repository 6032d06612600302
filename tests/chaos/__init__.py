"""Instances that are killed, suspended and lied to while they deploy: `make chaos`.

`world` has the processes and what is done to them, `workload` what tools do meanwhile, `verdict`
what must be true in the end. Everything is on this machine, and addresses are of loopback.
"""
