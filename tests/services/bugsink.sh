#!/usr/bin/env bash
# bugsink, a self-hosted server that takes what Sentry's SDKs send and shows it, on 127.0.0.1:PORT.
#   bugsink.sh start [PORT] [DIR]         bugsink.sh stop [DIR]
# One project, 1; its web pages want the user admin with the password admin. Minidumps are an experiment there and switched on here; it
# calls nobody. Package (PyPI): bugsink 2.6.2, into a virtual environment of its own.
set -eu
NAME=bugsink DEFAULT_PORT=8800 LAST_PORT_OFFSET=0
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

install_service() { need_venv bugsink 2.6.2; }

configure() {
  cat > "$DIR/bugsink_conf.py" <<C
from bugsink.settings.default import *
SECRET_KEY = "only-for-tests-only-for-tests-only-for-tests-only-for-tests"
DATABASES["default"]["NAME"] = "$DIR/db.sqlite3"
DATABASES["snappea"]["NAME"] = "$DIR/snappea.sqlite3"
SENTRY_DSN = None
TIME_ZONE = "UTC"
SNAPPEA = {"TASK_ALWAYS_EAGER": True}
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
ALLOWED_HOSTS = ["127.0.0.1"]
BUGSINK = {"BASE_URL": "http://127.0.0.1:$PORT", "SINGLE_USER": True, "SINGLE_TEAM": True, "USER_REGISTRATION": "CB_NOBODY",
           "FEATURE_MINIDUMPS": True, "PHONEHOME": False, "INGEST_STORE_BASE_DIR": "$DIR/ingest", "VALIDATE_ON_DIGEST": "warn"}
C
  export PYTHONPATH=$DIR DJANGO_SETTINGS_MODULE=bugsink_conf PYTHONDONTWRITEBYTECODE=1
}

# Making the tables takes ten seconds, so an empty database is kept.
make_database() {
  if [ ! -e "$VENV/empty/.complete" ]; then
    "$VENV/bin/bugsink-manage" migrate >&2 || die 'it could not make its database'
    "$VENV/bin/bugsink-manage" migrate snappea --database=snappea >&2 || die 'it could not make its second database'
    mkdir -p "$VENV/empty"
    cp "$DIR/db.sqlite3" "$DIR/snappea.sqlite3" "$VENV/empty/"
    : > "$VENV/empty/.complete"
  else
    cp "$VENV/empty/db.sqlite3" "$VENV/empty/snappea.sqlite3" "$DIR/"
  fi
  "$VENV/bin/bugsink-manage" shell > "$DIR/key" 2> "$DIR/shell.log" -c '
from django.contrib.auth import get_user_model
from projects.models import Project
from teams.models import Team
get_user_model().objects.create_superuser(username="admin", email="admin@example.org", password="admin")
print("KEY", Project.objects.create(name="crashes", team=Team.objects.create(name="team")).sentry_key.hex)' ||
    { cat "$DIR/shell.log" >&2; die 'it could not make a project'; }
}

start_service() {
  configure
  rm -f "$DIR"/*.sqlite3
  make_database
  key=$(sed -n 's/^KEY //p' "$DIR/key")
  spawn bugsink "$VENV/bin/gunicorn" --bind "127.0.0.1:$PORT" --workers 1 --threads 4 --timeout 60 bugsink.wsgi
  wait_for 60 'it answers' curl -sf -o "$DIR/first" "http://127.0.0.1:$PORT/accounts/login/"
  printf 'export BUGSINK_URL=http://127.0.0.1:%s BUGSINK_DSN=http://%s@127.0.0.1:%s/1\n' "$PORT" "$key" "$PORT" > "$DIR/env.new"
}

main "$@"
