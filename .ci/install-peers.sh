#!/usr/bin/env bash
# Installs the real programs that tests talk to. None of them is started here.
set -euo pipefail

here=$(dirname "${BASH_SOURCE[0]}")
packages=(
    chromium fonts-dejavu-core           # opens the pages
    dcmtk dicom3tools                    # sends, finds, checks objects
    default-jre-headless libpixelmed-java # checks Structured Reports
    orthanc orthanc-dicomweb orthanc-python # the PACS
    procps                               # finds a worker to kill
    postgresql rabbitmq-server redis-server
)
command -v npm >/dev/null || packages+=(npm) # fetches the viewer

status=0
"$here/apt.sh" "${packages[@]}" || status=$?
if ((status == 3)); then
    echo "Not root and no sudo: tests with real servers run only where these are installed:"
    echo "  apt-get install ${packages[*]}"
    echo "The others say 'did not run' and what they miss."
elif ((status != 0)); then
    exit "$status"
fi

status=0
"$here/debian13.sh" || status=$?
if ((status == 3)); then
    echo "Not root: the tests with Debian 13's Orthanc do not run."
elif ((status != 0)); then
    exit "$status"
fi

status=0
"$here/viewer.sh" || status=$?
((status == 3)) || exit "$status"
echo "No npm: the tests with the OHIF viewer do not run."
