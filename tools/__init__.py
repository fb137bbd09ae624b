"""Adapters to the outside: each folder owns one neighbour, its errors and its bounds, and imports nothing
above it.
"""
