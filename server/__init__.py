"""What the program answers over HTTP on a port of its own: whether it lives, whether it is ready, and its metrics.

Nothing here changes anything, and nothing here is secret: no names of workloads, no messages, no addresses.
"""
