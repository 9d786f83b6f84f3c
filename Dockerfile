# Two stages: the virtual environment is built with pip, the image that runs has neither pip cache nor compiler.
FROM python:3.11-slim-bookworm AS build
WORKDIR /opt/xinyi
COPY requirements/run.txt requirements/run.txt
RUN python -m venv /opt/xinyi/venv \
 && /opt/xinyi/venv/bin/pip install --no-cache-dir --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md ./
COPY gateway gateway
COPY adapters adapters
COPY mappings mappings
RUN /opt/xinyi/venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/xinyi --create-home xinyi
COPY --from=build /opt/xinyi/venv /opt/xinyi/venv
ENV PATH=/opt/xinyi/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
WORKDIR /var/lib/xinyi
VOLUME /var/lib/xinyi
EXPOSE 8800
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8800/health/live', timeout=2)"]
ENTRYPOINT ["xinyi"]
CMD ["serve", "--config", "/etc/xinyi/xinyi.toml"]
