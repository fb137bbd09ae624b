# The program in an environment of its own, as a user without rights. Build: docker build -t k8s-auto-fixer .
# Run it with a read-only root: it writes to its state volume and to /tmp, and to nothing else.
FROM python:3.13-slim AS build
RUN pip install --no-cache-dir uv==0.13.8
WORKDIR /src
# What is needed changes less often than the program: this layer is kept when only the program has changed.
COPY requirements.lock ./
RUN uv venv /opt/k8s-auto-fixer \
 && uv pip install --python /opt/k8s-auto-fixer/bin/python --compile-bytecode --require-hashes -r requirements.lock
COPY . .
RUN uv pip install --python /opt/k8s-auto-fixer/bin/python --compile-bytecode --no-deps .

FROM python:3.13-slim
# Nothing is ever installed in here: no compiler comes with this image, and pip goes.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3.13/site-packages/pip /usr/local/lib/python3.13/site-packages/pip-* \
 && useradd --uid 10001 --no-create-home --home-dir /var/lib/k8s-auto-fixer --shell /usr/sbin/nologin fixer \
 && install -d -o 10001 -g 10001 -m 0700 /var/lib/k8s-auto-fixer
COPY --from=build /opt/k8s-auto-fixer /opt/k8s-auto-fixer
USER 10001:10001
WORKDIR /var/lib/k8s-auto-fixer
# On the PATH, because every message says `kubectl exec ... -- k8s-auto-fixer ...`.
ENV PATH=/opt/k8s-auto-fixer/bin:$PATH
ENV K8S_AUTO_FIXER_STORE=/var/lib/k8s-auto-fixer/store.sqlite \
    K8S_AUTO_FIXER_HEARTBEAT_FILE=/tmp/heartbeat \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
# It starts in here, and the sandbox of the Coder's programs holds in here, or there is no image.
RUN /opt/k8s-auto-fixer/bin/k8s-auto-fixer --version && /opt/k8s-auto-fixer/bin/python -m tools.sandbox
VOLUME /var/lib/k8s-auto-fixer
# The daemon touches this file every five seconds. A pod's probes and compose ask over HTTP instead, and know more.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
  CMD ["/opt/k8s-auto-fixer/bin/python", "-c", "import os, time; assert time.time() - os.stat('/tmp/heartbeat').st_mtime < 60"]
ENTRYPOINT ["/opt/k8s-auto-fixer/bin/k8s-auto-fixer"]
CMD ["run"]
