FROM python:3.12-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/stream-rec
# Dependencies first: they change seldom, and stay in the build cache when only our code changes.
COPY constraints.txt pyproject.toml ./
RUN python -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; print('\n'.join(p['dependencies'] + p['optional-dependencies']['s3'] + p['optional-dependencies']['shapes'] + p['optional-dependencies']['page']))" > dependencies.txt \
    && /opt/stream-rec/bin/pip install --no-cache-dir --constraint constraints.txt --requirement dependencies.txt
COPY README.md LICENSE ./
COPY schemas schemas
COPY producers producers
COPY consumers consumers
COPY stream_rec stream_rec
RUN /opt/stream-rec/bin/pip install --no-cache-dir --no-deps .

FROM python:3.12-slim-bookworm
RUN useradd --create-home --uid 10001 stream-rec && chmod 755 /home/stream-rec
COPY --from=build /opt/stream-rec /opt/stream-rec
RUN install -d -o stream-rec /opt/stream-rec/cache
USER stream-rec
WORKDIR /home/stream-rec
ENV PATH=/opt/stream-rec/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    XDG_CACHE_HOME=/opt/stream-rec/cache \
    STREAM_REC__MEASURE__PROMETHEUS_HOST=0.0.0.0 \
    STREAM_REC__MEASURE__PROMETHEUS_PORT=9464
# Kernels are kept per type of CPU: on another one than that of the build, the first start compiles them again.
# Any user may read them, and one who may not write there works with a copy in /tmp.
RUN python -m stream_rec.consumers.warm_up && chmod -R a+rX /opt/stream-rec/cache
EXPOSE 9464
HEALTHCHECK --interval=10s --timeout=5s --start-period=300s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9464/metrics', timeout=4)"]
# The worker finishes or drops its batch within 5 s of SIGTERM.
STOPSIGNAL SIGTERM
ENTRYPOINT ["stream-rec"]
CMD ["worker"]
