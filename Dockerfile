# Parley without a database: give it one with PARLEY_DATABASE_URL. docs/operations.md says how it is meant to be run.

FROM node:24-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY packages/protocol/package.json packages/protocol/
COPY packages/client/package.json packages/client/
COPY packages/engine/package.json packages/engine/
# What is optional is Node itself and the embedded PostgreSQL: the image brings the one and has no use for the other.
RUN npm ci --omit=dev --omit=optional --ignore-scripts

# The web application: its tools stay behind here.
FROM node:24-slim AS web
WORKDIR /app
COPY package.json package-lock.json .npmrc tsconfig.json ./
COPY packages/protocol/package.json packages/protocol/
COPY packages/client/package.json packages/client/
COPY packages/engine/package.json packages/engine/
COPY packages/web/package.json packages/web/
RUN npm ci --ignore-scripts
COPY packages/protocol/src packages/protocol/src
COPY packages/client/src packages/client/src
COPY packages/web/index.html packages/web/vite.config.ts packages/web/tsconfig.json packages/web/
COPY packages/web/build packages/web/build
COPY packages/web/public packages/web/public
COPY packages/web/src packages/web/src
RUN npm run build --workspace packages/web

FROM node:24-slim
# Several replicas have one data folder each; nothing in it has to last.
ENV NODE_ENV=production PARLEY_HOST=0.0.0.0 PARLEY_DATA_DIR=/var/lib/parley
RUN install --directory --owner=node --group=node --mode=0700 /var/lib/parley
WORKDIR /app
COPY --from=packages /app ./
COPY packages/protocol/src packages/protocol/src
COPY packages/client/src packages/client/src
COPY packages/engine/migrations packages/engine/migrations
COPY packages/engine/src packages/engine/src
COPY --from=web /app/packages/web/dist packages/web/dist
USER 1000:1000
EXPOSE 7420 7421
HEALTHCHECK --interval=10s --timeout=3s --start-period=90s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:7420/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Not through npm or a shell: the signal to end must reach the server.
ENTRYPOINT ["node", "/app/packages/engine/src/cli/main.ts"]
CMD ["serve"]
