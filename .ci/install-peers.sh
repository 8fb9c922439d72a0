#!/usr/bin/env bash
# Installs the real programs that tests talk to. None of them is started here.
set -euo pipefail

packages=(
    chromium fonts-dejavu-core           # opens the pages
    dcmtk dicom3tools                    # sends, finds, checks objects
    default-jre-headless libpixelmed-java # checks Structured Reports
    orthanc                              # the PACS
    procps                               # finds a worker to kill
    postgresql rabbitmq-server redis-server
)

status=0
"$(dirname "${BASH_SOURCE[0]}")/apt.sh" "${packages[@]}" || status=$?
if ((status == 3)); then
    echo "Not root and no sudo: tests with real servers run only where these are installed:"
    echo "  apt-get install ${packages[*]}"
    echo "The others say 'did not run' and what they miss."
    exit 0
fi
exit "$status"
