# The router, and the simulated engine of the demo: warmroute serve, warmroute engine.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN npm run build

# Native modules come for all platforms, and packages with their sources: what this one's router loads is a third of it. That it
# still loads all that it needs is shown here, not when it runs.
FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev
COPY scripts/prune-modules.ts scripts/
RUN node scripts/prune-modules.ts /app/node_modules
COPY protos protos
COPY --from=build /app/dist dist
COPY scripts/load-modules.ts scripts/
RUN node scripts/load-modules.ts /app/dist

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY package.json LICENSE ./
COPY protos protos
COPY console console
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
USER node
EXPOSE 50052 8080
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8080/healthz').then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/main.js"]
CMD ["serve"]
# Said by `npm run release`: docs/releasing.md.
ARG VERSION=dev
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG SOURCE=https://github.com/warmroute/warmroute
LABEL org.opencontainers.image.title="warmroute" \
  org.opencontainers.image.description="Envoy external processor that routes every LLM request to the engine pod whose KV cache already holds its prefix" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.url="$SOURCE" \
  org.opencontainers.image.source="$SOURCE" \
  org.opencontainers.image.documentation="$SOURCE/tree/main/docs" \
  org.opencontainers.image.version="$VERSION" \
  org.opencontainers.image.revision="$REVISION" \
  org.opencontainers.image.created="$CREATED" \
  org.opencontainers.image.base.name="docker.io/library/node:24-bookworm-slim"
