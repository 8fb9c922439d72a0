# The two servers that the sandbox's node leans on. A hospital uses its own.
FROM debian:bookworm-slim AS broker
RUN groupadd --gid 10001 cxr \
    && useradd --uid 10001 --gid cxr --home-dir /nonexistent --shell /usr/sbin/nologin cxr \
    && install --directory --owner cxr --group cxr --mode 700 /var/lib/cxr-keys \
    && apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends \
        redis-server >/dev/null \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log
COPY workers/containers/broker.sh /usr/local/bin/broker
COPY workers/containers/keys.sh /usr/local/bin/keys
USER cxr
CMD ["broker"]

FROM debian:bookworm-slim AS database
RUN groupadd --gid 10001 cxr \
    && useradd --uid 10001 --gid cxr --home-dir /nonexistent --shell /usr/sbin/nologin cxr \
    && install --directory --owner cxr --group cxr --mode 700 \
        /var/lib/cxr-keys /var/lib/database \
    && mkdir /etc/postgresql-common \
    && echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf \
    && apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends \
        -o Dpkg::Options::=--force-confold postgresql-15 >/dev/null \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log
COPY workers/containers/database.sh /usr/local/bin/database
ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin
USER cxr
STOPSIGNAL SIGINT
CMD ["database"]
