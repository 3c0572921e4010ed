# One image for all roles; docker-compose.yml gives each its command.
FROM python:3.13-slim AS build
WORKDIR /app
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /venv
COPY pyproject.toml constraints.txt README.md LICENSE celeryconfig.py ./
COPY campaigns campaigns
COPY webhooks webhooks
# Without the extra `demo`: no embedded servers and no simulator's engine in production.
RUN /venv/bin/pip install --constraint constraints.txt .

FROM python:3.13-slim
RUN useradd --system --create-home --uid 10001 revoada
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /app
USER revoada
# Settings come from the environment; no secret is part of the image.
CMD ["revoada", "--help"]
