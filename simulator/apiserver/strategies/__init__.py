"""What the API server does to objects of one kind before it stores them: defaults, preparation,
validation.

A kind without an entry here gets `Strategy()`: stored as sent, after the checks that all kinds share.
"""
