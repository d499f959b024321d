# syntax=docker/dockerfile:1
# The one binary and the shipped model, for machines without a GPU.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked -p tapewire-cli && cp target/release/tapewire /tapewire

FROM debian:bookworm-slim AS cpu
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl libssl3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home tapewire \
    && install -d -o tapewire -g tapewire /var/lib/tapewire
COPY --from=build /tapewire /usr/local/bin/tapewire
COPY models/shipped /usr/share/tapewire/models
ENV TAPEWIRE_MODELS_DIR=/usr/share/tapewire/models TAPEWIRE_STATE_DIR=/var/lib/tapewire \
    HF_HOME=/var/lib/tapewire/huggingface TAPEWIRE_LISTEN=0.0.0.0:9464
USER tapewire
WORKDIR /var/lib/tapewire
EXPOSE 9464
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["curl", "-fsS", "http://127.0.0.1:9464/health"]
ENTRYPOINT ["tapewire"]
CMD ["run"]
