# Three stages: the wheel, its pinned dependencies, and an image with neither compiler nor pip cache.
# Give it a digest, so that all stages are built on known bytes (docs/security.md):
#   docker build --build-arg PYTHON_IMAGE=python:3.13-slim@sha256:... .
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS tools
COPY requirements-build.lock /tmp/
RUN pip install --no-cache-dir --require-hashes -r /tmp/requirements-build.lock

FROM tools AS wheel
WORKDIR /src
COPY pyproject.toml README.md LICENSE CHANGELOG.md alembic.ini ./
COPY src src
COPY migrations migrations
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheel .

# The pip that installs is the pinned one; the environment itself gets none.
FROM tools AS install
COPY requirements.lock /tmp/
RUN python -m venv --without-pip /opt/pagersync \
    && pip --python /opt/pagersync/bin/python install --no-cache-dir --require-hashes -r /tmp/requirements.lock
COPY --from=wheel /wheel /wheel
RUN pip --python /opt/pagersync/bin/python install --no-cache-dir --no-deps /wheel/*.whl

FROM ${PYTHON_IMAGE}
# A user with a passwd entry: the embedded PostgreSQL asks the system who it is.
RUN useradd --system --uid 10001 --home-dir /var/lib/pagersync --create-home pagersync
COPY --from=install /opt/pagersync /opt/pagersync
USER pagersync
ENV PATH=/opt/pagersync/bin:$PATH \
    PAGERSYNC_HOST=0.0.0.0 \
    PAGERSYNC_PORT=8080 \
    PAGERSYNC_DATA_DIR=/var/lib/pagersync \
    PAGERSYNC_LOG_FORMAT=json
VOLUME /var/lib/pagersync
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ['PAGERSYNC_PORT']}/readyz\", timeout=2)"]
ENTRYPOINT ["pagersync"]
CMD ["serve"]
