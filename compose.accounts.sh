#!/bin/sh
# Run once by PostgreSQL's image, as its superuser: one account owns the tables and migrates, another one works.
set -eu
# psql reads the passwords by itself: a command line is there for every account of the host to see.
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\set owner `cat /run/secrets/loa_owner_password`
\set worker `cat /run/secrets/loa_password`
CREATE ROLE loa_owner LOGIN PASSWORD :'owner';
CREATE ROLE loa LOGIN PASSWORD :'worker';
GRANT loa TO loa_owner;
CREATE DATABASE loa OWNER loa_owner;
REVOKE CONNECT, TEMPORARY ON DATABASE loa FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE loa TO loa;
SQL
