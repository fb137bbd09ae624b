"""Kinds that are served in a second form: stored once, as their first kind, and converted on the way in and out.

`events` is the group events.k8s.io beside the core Event, `autoscalers` autoscaling/v1 beside v2.
"""
