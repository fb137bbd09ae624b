"""The official images of Docker Hub that everybody runs, and which of them serve something of themselves.

Source: the library of docker-library/official-images. The list is short on purpose: a name that is on it is meant by
a slip of it with more right than a name that one person in the world has published.
"""

from __future__ import annotations

from incidents.images import DEFAULT_REGISTRY, ImageReference
from playbooks.neighbours import nearest

_LIBRARY = "library/"
SERVERS = frozenset(
    {
        *("arangodb", "caddy", "cassandra", "clickhouse", "couchbase", "couchdb", "eclipse-mosquitto", "elasticsearch"),
        *("ghost", "haproxy", "httpd", "influxdb", "kibana", "kong", "logstash", "mariadb", "matomo", "mediawiki"),
        *(
            "memcached",
            "mongo",
            "mongo-express",
            "mysql",
            "nats",
            "neo4j",
            "nextcloud",
            "nginx",
            "postgres",
            "rabbitmq",
        ),
        *("redis", "redmine", "registry", "solr", "sonarqube", "telegraf", "tomcat", "traefik", "valkey", "varnish"),
        *("wordpress", "zookeeper"),
    }
)
"""Those whose own entrypoint starts a server."""
ONE_PROGRAM = frozenset({"caddy", "haproxy", "httpd", "memcached", "nats", "nginx", "traefik"})
"""Those of them that hold no other program which somebody may run for long (redis has its sentinel, nextcloud cron)."""
BASES = frozenset(
    {
        *("alpine", "amazoncorretto", "bash", "busybox", "debian", "docker", "eclipse-temurin", "elixir", "erlang"),
        *(
            "fedora",
            "gcc",
            "golang",
            "gradle",
            "maven",
            "node",
            "perl",
            "python",
            "rockylinux",
            "ruby",
            "rust",
            "ubuntu",
        ),
    }
)
"""Those that run what they are told to."""


_LISTENING = (
    (80, ("caddy", "httpd", "nginx", "wordpress")),
    (3306, ("mariadb", "mysql")),
    (6379, ("redis", "valkey")),
    *((5432, ("postgres",)), (27017, ("mongo",)), (11211, ("memcached",)), (5672, ("rabbitmq",)), (4222, ("nats",))),
    *((9200, ("elasticsearch",)), (5601, ("kibana",)), (8086, ("influxdb",)), (5984, ("couchdb",)), (8983, ("solr",))),
    *((9042, ("cassandra",)), (2181, ("zookeeper",)), (1883, ("eclipse-mosquitto",)), (2368, ("ghost",))),
    *((7687, ("neo4j",)), (5000, ("registry",))),
)
PORTS = {name: port for port, names in _LISTENING for name in names}
"""The port at which each of these listens when it is told nothing; those whose port is anybody's are left out."""


def is_official(image: ImageReference) -> bool:
    """Whether an image is of the list."""
    return _name(image) in SERVERS | BASES


def serves(image: ImageReference) -> bool:
    """Whether an image starts a server when it is told nothing."""
    return _name(image) in SERVERS


def has_one_program(image: ImageReference) -> bool:
    """Whether the server that an image starts of itself is the one program that it is there for."""
    return _name(image) in ONE_PROGRAM


def meant_by(image: ImageReference) -> str | None:
    """The official name of which this image's name is a slip; None where there is none, or it is one itself."""
    name = _name(image)
    return None if not name or is_official(image) else nearest(name, SERVERS | BASES)


def _name(image: ImageReference) -> str:
    if image.registry != DEFAULT_REGISTRY or not image.repository.startswith(_LIBRARY):
        return ""
    return image.repository.removeprefix(_LIBRARY)
