# The server as an image: `docker build --tag sessiongraph .`
# A gateway in front of it, for compose.yaml: `docker build --target gateway .`

# The page that the server embeds.
FROM node:22-bookworm-slim AS playground
WORKDIR /build/playground
COPY playground/package.json playground/package-lock.json ./
RUN npm ci --no-audit --no-fund --ignore-scripts
COPY schema.graphql /build/
COPY playground ./
RUN npm run build

FROM rust:1.95-bookworm AS server
WORKDIR /build
COPY . .
COPY --from=playground /build/playground/dist playground/dist
# What is compiled stays in the builder's cache, for the next build.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --package sessiongraph \
    && install -D target/release/sessiongraph /out/sessiongraph \
    && install -d /out/data

# Hive Gateway by its recipe, over the supergraph that has sessiongraph in it alone.
FROM node:22-bookworm-slim AS gateway
WORKDIR /gateway
COPY tests/gateways/package.json tests/gateways/package-lock.json ./
RUN npm ci --no-audit --no-fund --ignore-scripts
COPY schema.graphql packaging/supergraph.mjs examples/gateways/hive-gateway/gateway.config.js ./
RUN node supergraph.mjs schema.graphql http://sessiongraph:4000/graphql >supergraph.graphql
USER node
ENV PORT=4000
CMD ["npx", "hive-gateway", "supergraph", "--host", "0.0.0.0"]

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="sessiongraph" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=server /out/sessiongraph /usr/local/bin/sessiongraph
# SQLite's file, and the secret that is made beside it: where nothing else is configured, mount a volume here.
COPY --from=server --chown=10001:10001 /out/data /srv/data
WORKDIR /srv
USER 10001:10001
ENV SESSIONGRAPH_LISTEN=0.0.0.0:4000
EXPOSE 4000
STOPSIGNAL SIGTERM
# The image has no HTTP client but its shell.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/4000 && printf 'GET /health/ready HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r status <&3 && [[ $status == *' 200 '* ]]"]
ENTRYPOINT ["sessiongraph"]
CMD ["serve"]
