"""The scheduler: gives pods without a node a node, with the filters, words and second thoughts of kube-scheduler.

``scheduler.run_scheduler`` is the whole of it; the modules beside it are mostly pure.
"""
