FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# No scripts: the node package would fetch a second Node, and "prepare" builds before the sources are here.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json LICENSE ./
COPY src ./src
COPY config ./config
COPY .ci ./.ci
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:24-slim
LABEL org.opencontainers.image.title="Rollcall" \
  org.opencontainers.image.description="Directory sync for password managers: SCIM 2.0 and LDAP in, Bitwarden and 1Password out" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.base.name="docker.io/library/node:24-slim"
# Nothing is installed at run time: package managers would only be of use to somebody who should not be here.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack \
  /usr/local/bin/yarn /usr/local/bin/yarnpkg /opt/yarn-*
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json /app/LICENSE ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/config ./config
# Nothing else is written: the root file system may be read-only. ./data is where the sandbox keeps its state;
# a configuration says "store: sqlite:/data/rollcall.db".
RUN install -d -o 10001 -g 10001 /data && ln -s /data /app/data
VOLUME /data
USER 10001:10001
EXPOSE 8080 8081
# SIGTERM is what "serve" and "sync" wait for: they finish what is under way within 10 s.
STOPSIGNAL SIGTERM
# The port is the configuration's. Orchestrators that ask /healthz and /readyz themselves need none of this.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
  CMD ["node", "dist/main.js", "health", "-c", "/etc/rollcall/rollcall.yaml"]
# Polls of large directories make short-lived objects by the million: a small young generation keeps the process small.
ENTRYPOINT ["node", "--max-semi-space-size=4", "dist/main.js"]
CMD ["serve", "-c", "/etc/rollcall/rollcall.yaml"]
