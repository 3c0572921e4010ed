# One image for all roles; docker-compose.yml gives each its command.
FROM python:3.13.9-slim-trixie AS build
WORKDIR /app
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /venv
# The product's lock alone: no embedded servers, no simulator's engine and no development tools in production.
COPY requirements.lock ./
RUN /venv/bin/pip install --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE celeryconfig.py ./
COPY campaigns campaigns
COPY webhooks webhooks
COPY console console
COPY api api
RUN /venv/bin/pip install --no-deps --no-build-isolation .

FROM python:3.13.9-slim-trixie
RUN useradd --system --create-home --uid 10001 revoada
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
# By number, so that an orchestrator can check that it is not root.
USER 10001
# Settings come from the environment; no secret is part of the image.
CMD ["revoada", "--help"]
