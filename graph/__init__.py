"""The supervisor graph: the only importer of LangGraph.

A thread is disposable: incidents, rounds and changes live in the store, and what stands in a thread is a small
JSON view of them.
"""
