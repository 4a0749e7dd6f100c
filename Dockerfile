FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Scripts of packages are off by .npmrc.
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY .ci ./.ci
COPY src ./src
COPY middleware ./middleware
RUN npm run build && npm prune --omit=dev

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY policies ./policies
# Evidence must outlive the container: mount a volume here, one for all instances.
RUN install -d -o node -g node -m 0750 /var/lib/tallylight
VOLUME /var/lib/tallylight
# By number, so that a platform that wants no root can tell. It owns nothing of the program.
USER 1000:1000
EXPOSE 8080 9090
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s \
  CMD ["node", "dist/src/cli/health.js"]
ENTRYPOINT ["node", "dist/src/cli/main.js"]
