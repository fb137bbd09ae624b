"""The HorizontalPodAutoscaler controller: more pods when the metrics API says that there is too much to do."""
