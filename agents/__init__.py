"""The agents: each does one kind of work on one incident and says in one text what came of it.

They know nothing of graphs; ``graph`` calls them as nodes.
"""
