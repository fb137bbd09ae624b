"""Admission plugins that judge or complete a new object by other objects: quotas, limit ranges, pod security, priority
classes. `admission` decides when each of them is asked.
"""
