# The program in an environment of its own, as a user without rights. Build: docker build -t k8s-auto-fixer .
FROM python:3.13-slim AS build
RUN pip install --no-cache-dir uv==0.13.8
WORKDIR /src
COPY . .
RUN uv venv /opt/k8s-auto-fixer \
 && uv pip install --python /opt/k8s-auto-fixer/bin/python --require-hashes -r requirements.lock \
 && uv pip install --python /opt/k8s-auto-fixer/bin/python --no-deps .

FROM python:3.13-slim
COPY --from=build /opt/k8s-auto-fixer /opt/k8s-auto-fixer
RUN useradd --uid 10001 --create-home fixer && install -d -o fixer -m 0700 /var/lib/k8s-auto-fixer
USER 10001
# On the PATH, because every message says `kubectl exec ... -- k8s-auto-fixer ...`.
ENV PATH=/opt/k8s-auto-fixer/bin:$PATH
ENV K8S_AUTO_FIXER_STORE=/var/lib/k8s-auto-fixer/store.sqlite PYTHONUNBUFFERED=1
VOLUME /var/lib/k8s-auto-fixer
ENTRYPOINT ["/opt/k8s-auto-fixer/bin/k8s-auto-fixer"]
CMD ["run"]
