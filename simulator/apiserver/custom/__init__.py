"""Custom resources: what a CustomResourceDefinition must say, and the kinds that it makes the server serve.

Conversion between versions changes the apiVersion only (strategy None). Rules in CEL (`x-kubernetes-validations`) are
not evaluated: a definition that has some is accepted with a warning that says so.
"""
