# One image; the command chooses what it does: up (the default), serve, worker, migrate; or try, to look around:
# docker run --rm -p 127.0.0.1:8000:8000 loa try
# BASE: any Debian with Python 3.11 or newer and its venv.
ARG BASE=python:3.12-slim
FROM ${BASE} AS build
WORKDIR /src
COPY requirements.lock app/data/loa.lock app/data/loa-sign.lock ./
# What builds Loa is locked too: without isolation pip fetches nothing beside it.
RUN python3 -m venv /opt/build \
    && sed -n '/^setuptools==/,/[^\\]$/p' requirements.lock >build.lock \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes --no-deps --requirement build.lock
# LOCK: loa-sign for the check of signatures of PDFs. pip compiles what it installs, since Loa's account can't.
ARG LOCK=loa
RUN python3 -m venv --without-pip /opt/loa \
    && /opt/build/bin/pip --python /opt/loa/bin/python install --no-cache-dir --require-hashes --no-deps --requirement "$LOCK.lock"
COPY . ./
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --no-index --wheel-dir /wheels . \
    && /opt/build/bin/pip --python /opt/loa/bin/python install --no-cache-dir --no-deps --no-index /wheels/loa-*.whl

FROM ${BASE}
# `make image` states both; an image of another builder says that it does not know.
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Loa" \
      org.opencontainers.image.description="One approved text, every subscriber once, a report that adds up" \
      org.opencontainers.image.licenses="MIT AND OFL-1.1" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /opt/loa /opt/loa
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin loa \
    && install --directory --owner=loa --mode=0700 /data
ENV PATH=/opt/loa/bin:$PATH PYTHONUNBUFFERED=1 LOA_DATA=/data LOA_HOST=0.0.0.0
USER loa
WORKDIR /data
# The only place that is written to, besides /tmp: the SQLite ledger, and uploads on their way.
VOLUME /data
# It listens to other machines, so in production it starts with TLS alone: LOA_TLS_CERTIFICATE and LOA_TLS_KEY, or
# LOA_BEHIND_TLS=true where a proxy speaks it, with LOA_PRIVATE_LINES__API: what protects the way from the proxy.
EXPOSE 8600
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-m", "app.diagnostics.healthcheck"]
ENTRYPOINT ["loa"]
CMD ["up"]
