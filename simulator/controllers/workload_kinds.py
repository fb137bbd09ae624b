"""The kinds that only the controllers speak of."""

from simulator.api_client import Resource

STATEFUL_SETS = Resource("apps", "v1", "statefulsets", "StatefulSet")
DAEMON_SETS = Resource("apps", "v1", "daemonsets", "DaemonSet")
CONTROLLER_REVISIONS = Resource("apps", "v1", "controllerrevisions", "ControllerRevision")
JOBS = Resource("batch", "v1", "jobs", "Job")
CRON_JOBS = Resource("batch", "v1", "cronjobs", "CronJob")
CLAIMS = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
DISRUPTION_BUDGETS = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
QUOTAS = Resource("", "v1", "resourcequotas", "ResourceQuota")
