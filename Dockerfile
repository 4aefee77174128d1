# Three stages: the wheel, its pinned dependencies, and an image with neither compiler nor pip cache.
FROM python:3.13-slim AS wheel
WORKDIR /src
RUN pip install --no-cache-dir build
COPY pyproject.toml README.md LICENSE CHANGELOG.md alembic.ini ./
COPY src src
COPY migrations migrations
RUN python -m build --wheel --outdir /wheel

FROM python:3.13-slim AS install
COPY requirements.lock /tmp/
RUN python -m venv /opt/pagersync \
    && /opt/pagersync/bin/pip install --no-cache-dir --require-hashes -r /tmp/requirements.lock
COPY --from=wheel /wheel /wheel
RUN /opt/pagersync/bin/pip install --no-cache-dir --no-deps /wheel/*.whl

FROM python:3.13-slim
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
